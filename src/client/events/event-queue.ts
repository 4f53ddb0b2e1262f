/** Events waiting to be written: once each, in order, and never at the expense of the process's other work. */
import type { Clock } from '../../base/clock.ts';
import type { EventRecord } from './event-correlation.ts';

/** More events than this are not kept waiting for a server that is away or slow. */
export const waitingMax = 40_000;
/** When more than this many wait, they are written whatever else there is to do: none should have to be dropped. */
const waitingPatientlyMax = 30_000;
const writesAtOnceMax = { whenBusy: 1, usually: 8, inHurry: 32 };
/** A turn of the event loop that lasts longer is one in which others had much to do. */
const busyTurnMs = 2;

export interface EventQueueOptions {
  clock: Pick<Clock, 'monotonic'>;
  signal: AbortSignal;
  /** Never rejects. */
  write(record: EventRecord): Promise<void>;
  /** The first event for which there was no room. */
  onDropping(): void;
}

export class EventQueue {
  readonly #options: EventQueueOptions;
  /** An event that is recorded again while it waits is written once, with its newest count. */
  readonly #waiting = new Set<EventRecord>();
  readonly #writing = new Set<EventRecord>();
  #onIdle: (() => void)[] = [];
  #isNextTurnAwaited = false;
  #isDropping = false;
  #isBusy = false;

  constructor(options: EventQueueOptions) {
    this.#options = options;
  }

  add(record: EventRecord): void {
    if (this.#waiting.has(record)) return;
    if (this.#waiting.size < waitingMax) {
      this.#waiting.add(record);
      this.#startWrites();
    } else if (!this.#isDropping) {
      this.#isDropping = true;
      this.#options.onDropping();
    }
  }

  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void> {
    if (this.#waiting.size === 0 && this.#writing.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #startWrites(): void {
    if (this.#options.signal.aborted) this.#waiting.clear();
    const atOnceMax = this.#writesAtOnce();
    for (const record of this.#waiting) {
      if (this.#writing.size >= atOnceMax) break;
      // Writes about the same event follow one another.
      if (this.#writing.has(record)) continue;
      this.#waiting.delete(record);
      this.#writing.add(record);
      void this.#options.write(record).finally(() => {
        this.#writing.delete(record);
        this.#awaitNextTurn();
      });
    }
    if (this.#waiting.size > 0 || this.#writing.size > 0) return;
    this.#isDropping = false;
    for (const resolve of this.#onIdle) resolve();
    this.#onIdle = [];
  }

  #writesAtOnce(): number {
    if (this.#waiting.size > waitingPatientlyMax) return writesAtOnceMax.inHurry;
    return this.#isBusy ? writesAtOnceMax.whenBusy : writesAtOnceMax.usually;
  }

  /** Other work of the process takes precedence over waiting events: when it is busy, its turns are long. */
  #awaitNextTurn(): void {
    if (this.#isNextTurnAwaited) return;
    this.#isNextTurnAwaited = true;
    const { clock } = this.#options;
    const startMs = clock.monotonic();
    setImmediate(() => {
      this.#isNextTurnAwaited = false;
      this.#isBusy = clock.monotonic() - startMs > busyTurnMs;
      this.#startWrites();
    });
  }
}
