/** Holds back containers that keep failing, and reports that as upstream does. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { formatGoDuration } from '../../base/text/go-duration.ts';
import type { KubeletContext } from '../context.ts';
import { containerHash } from '../pod/pod-actions.ts';
import { containerEvents } from '../pod/pod-events.ts';
import type { ObservedContainer } from '../pod/pod-observation.ts';
import type { WaitingReason } from './container-statuses.ts';

export type HoldVerdict =
  /** `shows`: present when the wait is to be shown in the status. */
  | { waitMs: number; shows?: WaitingReason }
  /** It may start now. `shows`: it was waiting, which must be visible once before it starts. */
  | { waitMs: 0; shows?: WaitingReason };

/** After which a container that still waits is told of again, as upstream looks at it again; sooner if it never ran. */
const toldAgainMs = 10_000;
const failedStartToldAgainMs = 1_000;

export class CrashHold {
  readonly #context: KubeletContext;
  /** Back-off keys of containers that wait, and whether they were told of again. */
  readonly #held = new Map<string, { isToldAgain: boolean }>();

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  /** How long a container that ended must still wait; a call when no wait is left counts as a start. */
  check(
    pod: Pod,
    container: core.Container,
    last: Pick<ObservedContainer, 'startedAtMs' | 'finishedAtMs'>,
  ): HoldVerdict {
    const { crashBackoff, clock } = this.#context;
    const { name, namespace, uid } = pod.metadata;
    const endedMs = last.finishedAtMs;
    const key = `${uid}/${container.name}/${containerHash(container)}`;
    const who = `${name}_${namespace}(${uid})`;
    const remainingMs = crashBackoff.remainingMs(key, endedMs);
    const delayMs = crashBackoff.delayMs(key);
    const shows = {
      reason: 'CrashLoopBackOff',
      message: `back-off ${formatGoDuration(delayMs)} restarting failed container=${container.name} pod=${who}`,
    };
    if (remainingMs <= 0) {
      crashBackoff.next(key, endedMs);
      return this.#held.delete(key) ? { waitMs: 0, shows } : { waitMs: 0 };
    }
    const againMs = last.startedAtMs > 0 ? toldAgainMs : failedStartToldAgainMs;
    // Before that an end is shown as such; a back-off for half of its time at least, so that a first one is seen, too.
    const shownMs = Math.min(againMs, delayMs / 2);
    const sinceMs = Math.max(0, clock.now() - endedMs);
    const [isShown, isToldAgain] = [sinceMs >= shownMs, sinceMs >= againMs];
    const held = this.#held.get(key);
    if (!held || (isToldAgain && !held.isToldAgain))
      containerEvents(this.#context.recorder, pod, container).warning(
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${who}`,
      );
    this.#held.set(key, { isToldAgain });
    const nextMs = isToldAgain ? remainingMs : (isShown ? againMs : shownMs) - sinceMs;
    return { waitMs: Math.min(remainingMs, nextMs), ...(isShown && { shows }) };
  }
}
