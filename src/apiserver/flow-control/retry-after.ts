/** After how many seconds refused clients of a priority level are to ask again: the longer, the more of them there are. */
import type { Clock } from '../../base/clock.ts';

const secondsMax = 32;
/** Refusals per second of the time to wait: from so many on it doubles, and with fewer than one it shrinks. */
const manyPerSecond = 3;

export class RetryAfter {
  readonly #clock: Clock;
  /** Refusals of the seconds before this one that may still count, oldest first. */
  #past: { second: number; refused: number }[] = [];
  #now = { second: 0, refused: 0 };
  #grewAt = 0;
  #seconds = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the client is told. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Counts a refusal. Upstream's rule is asked once a second, about the seconds before. */
  refuse(): void {
    const second = Math.floor(this.#clock.now() / 1000);
    if (this.#now.second !== second) {
      this.#past.push(this.#now);
      this.#past = this.#past.filter((each) => second - each.second <= secondsMax);
      this.#now = { second, refused: 0 };
      this.#adapt(second);
    }
    this.#now.refused++;
  }

  /** Doubles, but not again before that time is over; shrinks by one. */
  #adapt(second: number): void {
    const seconds = this.#seconds;
    let refused = 0;
    for (const past of this.#past) if (second - past.second <= seconds) refused += past.refused;
    if (second - this.#grewAt >= seconds && refused >= manyPerSecond * seconds) {
      this.#seconds = Math.min(2 * seconds, secondsMax);
      this.#grewAt = second;
    } else if (refused < seconds && seconds > 1) this.#seconds = seconds - 1;
  }
}
