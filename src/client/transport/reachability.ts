/** Whether a server responds at all: after an outage its first response ends everybody's wait. */
import { type Clock, pause } from '../../base/clock.ts';

export class Reachability {
  #isAway = false;
  readonly #waiting = new Set<AbortController>();

  /** The server could not be reached. */
  failed(): void {
    this.#isAway = true;
  }

  /** It answered a request, even if with an error. */
  answered(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    for (const waiting of this.#waiting) waiting.abort();
  }

  /**
   * The wait between two attempts: `delayMs`, or until the signal ends, or until a server that is away answers another
   * request. True when it was that: what was learned of the outage says nothing about the next attempt.
   */
  async pause(clock: Pick<Clock, 'sleep'>, delayMs: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#isAway) {
      await pause(clock, delayMs, signal);
      return false;
    }
    const back = new AbortController();
    this.#waiting.add(back);
    await pause(clock, delayMs, AbortSignal.any([signal, back.signal]));
    this.#waiting.delete(back);
    return back.signal.aborted;
  }
}
