/** Waits by looking again and again, for what tells nobody when it comes. */
import { systemClock } from '../base/clock.ts';

/** Repeats until `condition` returns something. @returns undefined when it did not within `limitMs` */
export async function waitFor<Result>(
  condition: () => Promise<Result | undefined>,
  options: { limitMs: number; pollMs: number },
): Promise<Result | undefined> {
  const deadline = performance.now() + options.limitMs;
  for (;;) {
    const result = await condition();
    if (result !== undefined) return result;
    if (performance.now() > deadline) return undefined;
    await systemClock.sleep(options.pollMs);
  }
}
