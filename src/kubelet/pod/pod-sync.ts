/**
 * The stage of a running pod: brings the present state closer to the spec. One run does what can be done now; for what
 * must be waited for, it sets the record's timer.
 */

import { messageOf } from '../../base/text/error-message.ts';
import { ContainerStarter, type Place } from '../containers/container-starter.ts';
import type { SandboxConfig } from '../cri/messages.ts';
import { PodPreparation } from '../dynamic-resources/pod-preparation.ts';
import { PodSandbox } from '../sandbox/pod-sandbox.ts';
import { specifiedGraceSeconds } from './end/pod-end.ts';
import { removeLeftovers } from './end/pod-leftovers.ts';
import { stopAllContainers, stopKilled } from './end/pod-termination.ts';
import { computePodActions, goesBeyond, type PodActions, startsOf } from './pod-actions.ts';
import { refuse } from './pod-admission.ts';
import { podEvents } from './pod-events.ts';
import { PodMounts } from './pod-mounts.ts';
import type { ObservedPod, ObservedSandbox } from './pod-observation.ts';
import { watchProbes } from './pod-probes.ts';
import type { PodRecord } from './pod-record.ts';
import { awaitTrafficRules } from './traffic-rules.ts';

/** How soon to check again for a network that is not ready yet. */
const networkRetryMs = 500;
/** How soon a failed resize is retried without any sign that it could succeed now. */
const resizeRetryMs = 30_000;

export class PodSync {
  readonly #record: PodRecord;
  readonly #mounts: PodMounts;
  readonly #claims: PodPreparation;
  readonly #sandbox: PodSandbox;
  readonly #starter: ContainerStarter;

  constructor(record: PodRecord) {
    const { context } = record;
    this.#record = record;
    this.#mounts = new PodMounts(context);
    this.#claims = new PodPreparation(context);
    this.#sandbox = new PodSandbox(context);
    this.#starter = new ContainerStarter(record);
  }

  async run(): Promise<void> {
    try {
      await this.#step();
    } finally {
      this.#record.releaseView();
    }
  }

  async #step(): Promise<void> {
    const record = this.#record;
    const { context, waiting } = record;
    waiting.showHeldBack();
    // First, so that the status that reports this generation as observed also shows what became of its resources.
    record.resources.settle(record.pod, record.observed);
    record.report();
    waiting.dropOutdated();
    const cgroupParent = await this.#applyResources();
    if (!(await this.#hasWhatItNeeds())) return;
    const planned = record.observed;
    const actions = this.#planActions();
    if (await this.#clearAway(actions)) return;
    await this.#killContainers(actions);
    const place = await this.#placeFor(actions, cgroupParent);
    if (!place) return;
    await this.#awaitTrafficRules(place.sandboxId);
    await this.#startContainers(actions, place, planned);
    await record.observe();
    record.releaseView();
    record.resources.noteRestarts(record.pod, record.observed);
    watchProbes(context, record.pod, record.observed);
    record.report();
    await removeLeftovers(context, record.pod, record.observed);
    // What was just done made way for more, which nothing else will announce.
    if (goesBeyond(this.#planActions(), actions)) record.lookAgain();
    this.#scheduleVolumeRefresh();
  }

  #planActions(): PodActions {
    const { context, granted, observed } = this.#record;
    return computePodActions(granted, observed, (id) => context.probes.findings(id));
  }

  /** Returns the pod's control group. */
  async #applyResources(): Promise<string | undefined> {
    const { context, resources, pod, observed, timer } = this.#record;
    try {
      const cgroupParent = await resources.apply(pod, observed);
      if (resources.isUnfinished) timer.within(resizeRetryMs);
      return cgroupParent;
    } catch (error) {
      podEvents(context.recorder, pod).warning(
        'FailedCreatePodContainer',
        `unable to ensure pod container exists: ${messageOf(error)}`,
      );
      throw error;
    }
  }

  /** Its volumes; without them, what already runs goes on with what it has. */
  async #hasWhatItNeeds(): Promise<boolean> {
    const record = this.#record;
    const outdated = await this.#mounts.setUp(record.pod);
    if (!outdated) return true;
    if (outdated.refusal) {
      record.context.counts.refused(outdated.refusal.reason);
      refuse(record, outdated.refusal);
      record.lookAgain();
      return false;
    }
    record.timer.within(outdated.retryInMs);
    return outdated.serves || record.view.hasRunning;
  }

  /** Its claimed devices. */
  async #hasDevices(): Promise<boolean> {
    const { pod, end, timer } = this.#record;
    const missing = await this.#claims.setUp(pod, end.interrupt);
    if (missing) timer.within(missing.retryInMs);
    return !missing;
  }

  /** Removes what must go before anything starts. True: the pod is to be observed again. */
  async #clearAway(actions: PodActions): Promise<boolean> {
    const record = this.#record;
    if (actions.remove.length > 0) {
      for (const { id } of actions.remove) await record.context.runtime.removeContainer(id);
      record.lookAgain();
      return true;
    }
    if (!actions.killPod) return false;
    await this.#endSandboxes(actions);
    if (actions.createSandbox) return false;
    record.end.hasEnded = true;
    record.lookAgain();
    return true;
  }

  async #endSandboxes({ createSandbox }: PodActions): Promise<void> {
    const { context, pod, observed, end } = this.#record;
    if (observed.sandboxes.length === 0) return;
    if (createSandbox) {
      podEvents(context.recorder, pod).normal(
        'SandboxChanged',
        'Pod sandbox changed, it will be killed and re-created.',
      );
      this.#record.holdView();
    }
    await stopAllContainers(context, pod, observed, {
      graceSeconds: specifiedGraceSeconds(pod),
      cuts: end.cuts,
    });
    // An ended sandbox may still hold an address that the next one is to have.
    const ending = observed.sandboxes.filter(({ ready }) => ready || createSandbox);
    await Promise.all(ending.map(({ id }) => context.runtime.stopPodSandbox(id)));
  }

  /**
   * What was killed restarts within the same step, and is reported afterwards: a momentary state must not overtake
   * clients that read a status to change it, as upstream lets them.
   */
  async #killContainers({ kill }: PodActions): Promise<void> {
    if (kill.length === 0) return;
    const { context, pod, observed, end } = this.#record;
    this.#record.holdView();
    await stopKilled(context, pod, kill, {
      podIp: observed.sandboxes[0]?.ips[0] ?? '',
      cuts: end.cuts,
    });
    await this.#record.observeAnew();
  }

  /** The sandbox for the containers, created if need be; undefined: there is none yet. */
  async #placeFor(actions: PodActions, cgroupParent: string | undefined): Promise<Place | undefined> {
    const { context, pod } = this.#record;
    const sandboxConfig = await this.#sandbox.configOf(pod, actions.attempt, cgroupParent);
    const present = actions.sandbox && { sandbox: actions.sandbox, sandboxConfig };
    const found = present ?? (await this.#createSandbox(sandboxConfig));
    if (!found) return undefined;
    const { id: sandboxId, runtimeHandler, ips } = found.sandbox;
    const podIps = pod.spec.hostNetwork ? context.node().hostIps : ips;
    return { sandboxId, runtimeHandler, sandboxConfig: found.sandboxConfig, podIps };
  }

  /** `planned`: to which comes what is known only once the pod is let in. */
  async #createSandbox(
    planned: SandboxConfig,
  ): Promise<{ sandbox: ObservedSandbox; sandboxConfig: SandboxConfig } | undefined> {
    const record = this.#record;
    const { context, pod, timer } = record;
    const problem = pod.spec.hostNetwork ? undefined : context.networkProblem();
    if (problem) {
      podEvents(context.recorder, pod).warning('NetworkNotReady', problem);
      timer.within(networkRetryMs);
      return undefined;
    }
    if (!(await this.#hasDevices())) return undefined;
    const made = await this.#sandbox.create(pod, planned, record.end.interrupt);
    if ('retryInMs' in made) {
      timer.within(made.retryInMs);
      return undefined;
    }
    await record.observeAnew();
    const sandbox = record.observed.sandboxes.find(({ id }) => id === made.id);
    // Gone already, or created too late for a pod that is now to end.
    if (!sandbox || record.end.interrupt.aborted) {
      record.lookAgain();
      return undefined;
    }
    return { sandbox, sandboxConfig: made.config };
  }

  /**
   * No container may send or receive before the rules apply. Static pods start without an API server, and so without
   * rules.
   */
  async #awaitTrafficRules(sandboxId: string): Promise<void> {
    const { context, pod, isStatic, observed, end } = this.#record;
    if (isStatic || pod.spec.hostNetwork) return;
    if (observed.containers.some((container) => container.sandboxId === sandboxId)) return;
    await awaitTrafficRules(context, pod, end.interrupt);
  }

  async #startContainers(actions: PodActions, place: Place, planned: ObservedPod): Promise<void> {
    const due = startsOf(actions);
    if (due.length === 0) return;
    const { context, pod } = this.#record;
    // In an earlier sandbox, whose devices this kubelet could not remember.
    if (!context.claims.isPrepared(pod) && !(await this.#hasDevices())) return;
    const hostsFile = await this.#sandbox.writeHosts(this.#record.pod, place.podIps);
    const { mounted } = this.#mounts;
    await this.#starter.start(due, { ...place, hostsFile, volumes: mounted }, planned);
  }

  #scheduleVolumeRefresh(): void {
    const { context, uid, timer } = this.#record;
    const dueMs = context.volumes.refreshDueMs(uid);
    if (dueMs !== undefined) timer.within(Math.max(0, dueMs - context.clock.now()));
  }
}
