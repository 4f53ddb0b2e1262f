/** Starts the due containers of a pod one after another, and holds back those that keep failing. */
import type * as core from '../../api/types/core-v1.gen.ts';
import type { SandboxConfig } from '../cri/messages.ts';
import type { DueContainer } from '../pod/pod-actions.ts';
import { findContainer, type ObservedContainer, type ObservedPod } from '../pod/pod-observation.ts';
import type { PodRecord } from '../pod/pod-record.ts';
import type { MountedVolume } from '../volumes/pod-volumes.ts';
import { StartProblem, startContainer } from './container-start.ts';
import { CrashHold } from './crash-hold.ts';
import { nextRestartCount } from './restart-count.ts';

/** Where the containers of a pod start. */
export interface Place {
  sandboxId: string;
  runtimeHandler: string;
  sandboxConfig: SandboxConfig;
  podIps: readonly string[];
}

/** What is mounted into the containers. */
export interface FurnishedPlace extends Place {
  hostsFile: string | undefined;
  volumes: ReadonlyMap<string, MountedVolume>;
}

export class ContainerStarter {
  readonly #record: PodRecord;
  readonly #hold: CrashHold;

  constructor(record: PodRecord) {
    this.#record = record;
    this.#hold = new CrashHold(record.context);
  }

  /** `planned`: what existed when the start was decided on; containers killed since do not delay it. */
  async start(due: readonly DueContainer[], place: FurnishedPlace, planned: ObservedPod): Promise<void> {
    const { observed, end } = this.#record;
    for (const container of due) {
      if (end.interrupt.aborted) return;
      const ended = planned.containers.find(
        ({ name, state }) => name === container.name && state === 'exited',
      );
      if (ended && this.#holdsBack(container, ended)) continue;
      await this.#startOne(container, findContainer(observed, container.name), place);
    }
  }

  async #startOne(
    container: DueContainer,
    last: ObservedContainer | undefined,
    place: FurnishedPlace,
  ): Promise<void> {
    const record = this.#record;
    const { context, waiting } = record;
    const { name, targetContainerName } = container;
    let hasPulled = false;
    context.counts.containerStarts(record.pod, name);
    const targetId = targetContainerName && findContainer(record.observed, targetContainerName)?.id;
    try {
      await startContainer(context, {
        pod: record.granted,
        container,
        restartCount: nextRestartCount(name, last, this.#knownStatus()),
        ...place,
        ...(targetId && { targetId }),
        started: () => this.#noteStart(name),
        interrupt: record.end.interrupt,
        cuts: record.end.cuts,
        pulling(shows) {
          hasPulled = true;
          record.startLatency.pulling();
          if (shows) waiting.show(name, shows);
          record.report();
        },
        pulled() {
          if (hasPulled) record.startLatency.pulled();
        },
      });
    } catch (error) {
      if (!(error instanceof StartProblem)) throw error;
      context.counts.containerFailed(record.pod, name, error.waiting.reason);
      const retryInMs = waiting.failed(name, error);
      if (retryInMs !== undefined) record.timer.within(retryInMs);
      record.view.invalidate();
    }
  }

  #noteStart(name: string): void {
    const record = this.#record;
    const { clock, timings } = record.context;
    if (record.seenMs !== undefined) timings.podStart((clock.monotonic() - record.seenMs) / 1000);
    record.seenMs = undefined;
    record.waiting.started(name);
    record.view.invalidate();
  }

  /** True while a container that keeps failing must wait. */
  #holdsBack(container: core.Container, last: ObservedContainer): boolean {
    const { pod, waiting, timer } = this.#record;
    const { waitMs, shows } = this.#hold.check(pod, container, last);
    if (shows) waiting.show(container.name, shows);
    if (waitMs > 0) timer.within(waitMs);
    else if (shows) this.#record.report();
    return waitMs > 0;
  }

  #knownStatus(): core.PodStatus {
    const { context, uid, pod } = this.#record;
    return context.statuses.statusOf(uid) ?? pod.status ?? {};
  }
}
