/** Mounts the volumes of one pod, retries when that fails, and reports it in events. */
import type { Pod } from '../../api/resources.gen.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import type { KubeletContext } from '../context.ts';
import { type MountedVolume, UnfitVolumeError, VolumesNotReady } from '../volumes/pod-volumes.ts';
import { podEvents } from './pod-events.ts';
import type { PodVerdict } from './status/pod-status.ts';

export interface Outdated {
  retryInMs: number;
  /** They are mounted as they were, which is enough for a container to restart, as upstream. */
  serves: boolean;
  /** The node cannot ever have them. */
  refusal?: PodVerdict;
}

const retry = { firstMs: 500, maxMs: 122_000 };
/** How soon to check again when waiting for others. */
const waitingRetryMs = 500;
/** Upstream's time limit before it reports which volumes are missing altogether. */
const patienceMs = 123_000;

export class PodMounts {
  readonly #context: KubeletContext;
  #attempt = 0;
  #sinceMs: number | undefined;
  /** The complete set as last mounted; undefined: it never was. */
  #mounted: ReadonlyMap<string, MountedVolume> | undefined;

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  get mounted(): ReadonlyMap<string, MountedVolume> {
    return this.#mounted ?? new Map();
  }

  /** Undefined: all are mounted and current. */
  async setUp(pod: Pod): Promise<Outdated | undefined> {
    try {
      this.#mounted = await this.#context.volumes.setUp(pod);
      this.#attempt = 0;
      this.#sinceMs = undefined;
      return undefined;
    } catch (error) {
      if (!(error instanceof VolumesNotReady)) throw error;
      const serves = this.#mounted !== undefined;
      const hadPatience = this.#report(pod, error);
      if (hadPatience && !serves && (await this.#context.volumes.isAttachLimitReached(pod)))
        return { retryInMs: 0, serves, refusal: overLimit(error) };
      if (error.problems.every(({ isWaiting }) => isWaiting)) return { retryInMs: waitingRetryMs, serves };
      return { retryInMs: backoffDelayMs(retry, this.#attempt++), serves };
    }
  }

  /** Returns whether they have been waited for long enough. */
  #report(pod: Pod, { problems }: VolumesNotReady): boolean {
    const events = podEvents(this.#context.recorder, pod);
    const unmounted = problems.map(({ volume }) => volume).join(' ');
    const reportAll = (failed: string, why: string) =>
      events.warning(
        'FailedMount',
        `Unable to attach or mount volumes: unmounted volumes=[${unmounted}], unattached volumes=[], failed to process volumes=[${failed}]: ${why}`,
      );
    const unfit = problems.filter((problem) => problem instanceof UnfitVolumeError);
    for (const problem of problems)
      if (!problem.isWaiting && !(problem instanceof UnfitVolumeError))
        events.warning(problem.reason, problem.message);
    if (unfit.length > 0)
      reportAll(unfit.map(({ volume }) => volume).join(' '), unfit.map(({ why }) => why).join('; '));
    const nowMs = this.#context.clock.monotonic();
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < patienceMs) return false;
    this.#sinceMs = nowMs;
    if (unfit.length === 0) reportAll('', 'context deadline exceeded');
    return true;
  }
}

function overLimit({ problems }: VolumesNotReady): PodVerdict {
  const namesOf = (some: VolumesNotReady['problems']) => some.map(({ volume }) => volume).join(' ');
  const unattached = problems.filter(({ isWaiting }) => isWaiting);
  return {
    reason: 'VolumeAttachmentLimitExceeded',
    message: `Node has reached its volume attachment limit, rejecting pod. unmounted volumes=[${namesOf(problems)}], unattached volumes=[${namesOf(unattached)}], failed to process volumes=[]: context deadline exceeded`,
  };
}
