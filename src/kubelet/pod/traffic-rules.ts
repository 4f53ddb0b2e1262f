/** A pod waits until the rules for its traffic apply, and reports the reason when that takes long. */
import type { Pod } from '../../api/resources.gen.ts';
import { unlessAborted } from '../../base/async/unless-aborted.ts';
import { pause } from '../../base/clock.ts';
import type { KubeletContext } from '../context.ts';
import { podEvents } from './pod-events.ts';

/** Rules are applied within milliseconds, unless something is wrong. */
const toldAfterMs = 5_000;
/** Rare enough that other events of the pod are not crowded out. */
const toldAgainAfterMs = 120_000;

/** A shared reason: otherwise an exception with its stack would be created for each pod. */
const inForceReached = 'the rules are in force';

/** Resolves when the rules apply, or when the pod is to end. */
export async function awaitTrafficRules(
  context: KubeletContext,
  pod: Pod,
  ending: AbortSignal,
): Promise<void> {
  const { clock, trafficRules, recorder } = context;
  const over = new AbortController();
  const signal = AbortSignal.any([ending, context.signal]);
  const inForce = unlessAborted(trafficRules.inForce(), signal).finally(() => over.abort(inForceReached));
  void (async () => {
    for (let delayMs = toldAfterMs; !over.signal.aborted; delayMs = toldAgainAfterMs) {
      await pause(clock, delayMs, over.signal);
      const problem = trafficRules.problem();
      if (!over.signal.aborted && problem !== undefined)
        podEvents(recorder, pod).warning('NetworkNotReady', `network is not ready: ${problem}`);
    }
  })();
  await inForce;
}
