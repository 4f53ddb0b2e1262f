/** Tells the log why the store does not answer: clients are only told to try again. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { StoreUnavailableError } from '../storage/store.ts';

/** Every request may fail for the same reason: it is told again after this time only. */
const repeatMs = 10_000;

export class StoreFailures {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #logger: Logger;
  /** What was told last, and how many like it were not told since. */
  #told: { reason: string; atMs: number; alike: number } | undefined;

  constructor({ clock, logger }: { clock: Pick<Clock, 'monotonic'>; logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  note(error: StoreUnavailableError): void {
    const told = this.#told;
    const now = this.#clock.monotonic();
    if (told?.reason === error.message && now - told.atMs < repeatMs) {
      told.alike += 1;
      return;
    }
    this.#logger.error('the storage does not answer', { error, ...(told?.alike && { alike: told.alike }) });
    this.#told = { reason: error.message, atMs: now, alike: 0 };
  }
}
