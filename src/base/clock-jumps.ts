/** Notices when the time of day is set, or a machine has slept: timers do not. */
import { type Clock, pause } from './clock.ts';

const lookEveryMs = 10_000;
/** Less is how time daemons keep a clock right. */
const jumpMinMs = 2_000;

/** Reports every jump by its length, negative: back, within seconds. Runs until the signal aborts. */
export async function watchClockJumps(
  clock: Clock,
  jumped: (byMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const offset = () => clock.now() - clock.monotonic();
  let known = offset();
  while (!signal.aborted) {
    await pause(clock, lookEveryMs, signal);
    if (signal.aborted) return;
    const byMs = offset() - known;
    known += byMs;
    if (Math.abs(byMs) >= jumpMinMs) jumped(byMs);
  }
}
