/** How many seats the requests of a priority level could use, over time: those that they hold, and those they wait for. */
import type { Clock } from '../../base/clock.ts';
import type { BoundHistogram } from '../../base/metrics.ts';

/** What upstream reports of the last period of ten seconds. */
export interface DemandFigures {
  highWatermark: number;
  average: number;
  deviation: number;
  /** Follows a rise at once, and a fall slowly. */
  smoothed: number;
}

const periodMs = 10_000;
/** The part of what was that remains after a period. */
const smoothing = 0.977;
/** After so many periods nothing of what was is left. */
const periodsMax = 1_000;
const nanosPerMs = 1_000_000;

export class SeatDemand {
  readonly #clock: Clock;
  /** Of each nanosecond's demand as a part of `nominal`. */
  readonly #parts: BoundHistogram | undefined;
  /** Seats that count as all of the level's own. */
  nominal = 1;
  #seats = 0;
  #sinceMs: number;
  #periodEndMs: number;
  #highest = 0;
  /** Seats times milliseconds of this period, and their squares. */
  #area = 0;
  #squares = 0;
  #figures: DemandFigures = { highWatermark: 0, average: 0, deviation: 0, smoothed: 0 };

  constructor(clock: Clock, parts: BoundHistogram | undefined) {
    this.#clock = clock;
    this.#parts = parts;
    this.#sinceMs = clock.monotonic();
    this.#periodEndMs = this.#sinceMs + periodMs;
  }

  get figures(): DemandFigures {
    this.add(0);
    return this.#figures;
  }

  add(seats: number): void {
    this.#pass(this.#clock.monotonic());
    this.#seats += seats;
    this.#highest = Math.max(this.#highest, this.#seats);
  }

  #pass(nowMs: number): void {
    if (this.#parts && nowMs > this.#sinceMs)
      this.#parts.observe(this.#seats / this.nominal, Math.round((nowMs - this.#sinceMs) * nanosPerMs));
    const missed = Math.floor((nowMs - this.#periodEndMs) / periodMs);
    for (let period = 0; nowMs >= this.#periodEndMs; period++) {
      this.#count(this.#periodEndMs);
      this.#closePeriod();
      if (period !== periodsMax) continue;
      this.#sinceMs += (missed - period) * periodMs;
      this.#periodEndMs += (missed - period) * periodMs;
    }
    this.#count(nowMs);
  }

  #count(untilMs: number): void {
    const ms = untilMs - this.#sinceMs;
    this.#area += this.#seats * ms;
    this.#squares += this.#seats ** 2 * ms;
    this.#sinceMs = untilMs;
  }

  #closePeriod(): void {
    const average = this.#area / periodMs;
    const deviation = Math.sqrt(Math.max(0, this.#squares / periodMs - average ** 2));
    const envelope = average + deviation;
    const kept = smoothing * this.#figures.smoothed + (1 - smoothing) * envelope;
    this.#figures = {
      highWatermark: this.#highest,
      average,
      deviation,
      smoothed: Math.max(envelope, kept),
    };
    this.#highest = this.#seats;
    this.#area = 0;
    this.#squares = 0;
    this.#periodEndMs += periodMs;
  }
}
