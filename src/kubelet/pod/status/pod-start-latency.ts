/** How long a pod took from its creation until the API showed its containers running: once per pod that starts here. */
import { isSidecar } from '../../../api/core/pod/sidecars.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type { Clock } from '../../../base/clock.ts';

export interface StartTimes {
  totalSeconds: number;
  /** Without the time for pulling images and for init containers, for which their authors are responsible. */
  ownSeconds: number;
}

export class PodStartLatency {
  readonly #clock: Clock;
  #isAwaited = false;
  #pull: { beganMs: number; endedMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Its start is observed from the beginning. */
  await(): void {
    this.#isAwaited = true;
  }

  pulling(): void {
    const nowMs = this.#clock.monotonic();
    this.#pull ??= { beganMs: nowMs, endedMs: nowMs };
  }

  pulled(): void {
    if (this.#pull) this.#pull.endedMs = this.#clock.monotonic();
  }

  /** `pod`: as in the API. Undefined: it does not run yet, or was reported before. */
  observe({ metadata, spec, status = {} }: Pod): StartTimes | undefined {
    if (!this.#isAwaited || metadata.creationTimestamp === undefined) return undefined;
    const runs = spec.containers.every(
      ({ name }) => status.containerStatuses?.find((one) => one.name === name)?.state?.running,
    );
    if (!runs) return undefined;
    this.#isAwaited = false;
    const totalMs = this.#clock.now() - Date.parse(metadata.creationTimestamp);
    const pullMs = this.#pull ? this.#pull.endedMs - this.#pull.beganMs : 0;
    const ownMs = totalMs - pullMs - initMs({ spec, status });
    return { totalSeconds: Math.max(0, totalMs) / 1000, ownSeconds: Math.max(0, ownMs) / 1000 };
  }
}

function initMs({ spec, status = {} }: Pick<Pod, 'spec' | 'status'>): number {
  let sumMs = 0;
  for (const container of spec.initContainers ?? []) {
    if (isSidecar(container)) continue;
    const own = status.initContainerStatuses?.find(({ name }) => name === container.name);
    const { startedAt, finishedAt } = own?.state?.terminated ?? {};
    if (startedAt && finishedAt) sumMs += Date.parse(finishedAt) - Date.parse(startedAt);
  }
  return sumMs;
}
