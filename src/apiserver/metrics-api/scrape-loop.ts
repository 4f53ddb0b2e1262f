/** Reads something repeatedly, but only while there is demand. */
import type { Clock, Timer } from '../../base/clock.ts';

const everyMs = 15_000;
/** What was read longer ago describes nothing any more: who is asked no longer answers. */
export const freshForMs = 60_000;
/** Without demand for this long, reading ends, and the results are dropped. */
const idleAfterMs = 120_000;
/** Between the two readings that a rate needs, when the first question comes. */
const firstGapMs = 1_000;

export interface ScrapeLoopOptions {
  clock: Clock;
  signal: AbortSignal;
  scrape(): Promise<void>;
  forget(): void;
}

export class ScrapeLoop {
  readonly #options: ScrapeLoopOptions;
  #askedMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #starting: Promise<void> | undefined;

  constructor(options: ScrapeLoopOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#timer?.cancel(), { once: true });
  }

  /** Registers demand: resolves at once while the loop runs, otherwise after its first two readings. */
  async ready(): Promise<void> {
    this.#askedMs = this.#options.clock.monotonic();
    if (this.#timer) return;
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    await this.#starting;
  }

  async #start(): Promise<void> {
    const { clock, signal, scrape } = this.#options;
    await scrape();
    await clock.sleep(firstGapMs, signal);
    await scrape();
    this.#arm();
  }

  #arm(): void {
    const { clock, signal, scrape, forget } = this.#options;
    if (signal.aborted) return;
    this.#timer = clock.after(everyMs, () => {
      if (clock.monotonic() - this.#askedMs > idleAfterMs) {
        this.#timer = undefined;
        forget();
        return;
      }
      void scrape().then(() => this.#arm());
    });
  }
}
