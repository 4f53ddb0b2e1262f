/** Passes committed changes to watchers: filters by prefix, batches, and cuts off those that do not keep up. */
import { type Revision, SlowWatcherError, type StoreEvent, type WatchBatch } from './store.ts';

/** Events that wait for one watcher; beyond it the watcher is cut off and must list again. */
const watcherBacklogEventsMax = 100_000;

export class WatchHub {
  readonly #watchers = new Set<Watcher>();

  /** `events`: what one commit changed, in order; `revision`: the newest that is committed now. */
  publish(events: readonly StoreEvent[], revision: Revision): void {
    for (const watcher of this.#watchers) watcher.push(events, revision);
  }

  /**
   * Registers when the first batch is requested, and calls `history` at the same moment for the events before, up to
   * the newest revision published so far.
   */
  async *watch(
    prefix: string,
    signal: AbortSignal,
    history?: () => Promise<WatchBatch>,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const watcher = new Watcher(prefix);
    this.#watchers.add(watcher);
    const wake = () => watcher.wake();
    signal.addEventListener('abort', wake);
    try {
      if (history) yield await history();
      while (!signal.aborted) {
        const batch = watcher.take();
        if (batch) yield batch;
        else await watcher.changed();
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }

  /** Ends every watch with `error`. */
  close(error: Error): void {
    for (const watcher of this.#watchers) watcher.fail(error);
  }
}

class Watcher {
  readonly #prefix: string;
  #events: StoreEvent[] = [];
  #revision: Revision | undefined;
  #error: Error | undefined;
  #notify: (() => void) | undefined;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  push(events: readonly StoreEvent[], revision: Revision): void {
    if (this.#error) return;
    for (const event of events) if (event.key.startsWith(this.#prefix)) this.#events.push(event);
    this.#revision = revision;
    if (this.#events.length > watcherBacklogEventsMax) {
      this.#events = [];
      this.#error = new SlowWatcherError();
    }
    this.wake();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.wake();
  }

  take(): WatchBatch | undefined {
    if (this.#error && this.#events.length === 0) throw this.#error;
    if (this.#revision === undefined) return undefined;
    const batch = { events: this.#events, revision: this.#revision };
    this.#events = [];
    this.#revision = undefined;
    return batch;
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#notify = resolve;
    });
  }

  wake(): void {
    this.#notify?.();
    this.#notify = undefined;
  }
}
