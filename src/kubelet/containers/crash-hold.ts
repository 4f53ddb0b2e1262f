/** Holds back containers that keep failing, and reports that as upstream does. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
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

/** How long an end is shown as such before it is shown as a back-off; shorter for a container that never ran. */
const endShownMs = 10_000;
const failedStartShownMs = 1_000;

export class CrashHold {
  readonly #context: KubeletContext;
  /** Back-off keys of containers that wait, and whether the wait has been shown. */
  readonly #held = new Map<string, { shown: boolean }>();

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
    const shows = {
      reason: 'CrashLoopBackOff',
      message: `back-off ${formatSeconds(crashBackoff.delayMs(key))} restarting failed container=${container.name} pod=${who}`,
    };
    if (remainingMs <= 0) {
      crashBackoff.next(key, endedMs);
      return this.#held.delete(key) ? { waitMs: 0, shows } : { waitMs: 0 };
    }
    const shownMs = last.startedAtMs > 0 ? endShownMs : failedStartShownMs;
    const unseenMs = Math.min(shownMs, shownMs - (clock.now() - endedMs));
    const isShown = unseenMs <= 0;
    const held = this.#held.get(key);
    if (!held || (isShown && !held.shown))
      containerEvents(this.#context.recorder, pod, container).warning(
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${who}`,
      );
    this.#held.set(key, { shown: isShown });
    return isShown ? { waitMs: remainingMs, shows } : { waitMs: Math.min(remainingMs, unseenMs) };
  }
}

/** 10s, 1m20s, 5m0s: as Go prints whole seconds. */
export function formatSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
