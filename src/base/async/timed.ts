/** Measures work that may fail. */
import type { Clock } from '../clock.ts';

export type Outcome = 'succeeded' | 'failed';

/** Does the work, and reports how it ended and after how many seconds. */
export async function timed<T>(
  clock: Pick<Clock, 'monotonic'>,
  work: () => Promise<T>,
  report: (outcome: Outcome, seconds: number) => void,
): Promise<T> {
  const startMs = clock.monotonic();
  let outcome: Outcome = 'failed';
  try {
    const result = await work();
    outcome = 'succeeded';
    return result;
  } finally {
    report(outcome, (clock.monotonic() - startMs) / 1000);
  }
}
