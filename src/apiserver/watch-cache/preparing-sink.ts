/** Before another sink: has the objects of events prepared, which takes time, and keeps the order of what it is given. */
import type { CachedObject } from './cached-object.ts';
import type { WatchedEvent } from './selection.ts';
import type { WatchSink } from './watch-group.ts';

interface Delivery {
  events: readonly WatchedEvent[];
  encode(sink: WatchSink): unknown;
}

export class PreparingSink implements WatchSink {
  readonly #out: WatchSink;
  readonly #prepare: (objects: readonly CachedObject[]) => Promise<void>;
  readonly #onFailure: () => void;
  #deliveries: Promise<void> = Promise.resolve();
  #isEnded = false;

  constructor(
    out: WatchSink,
    prepare: (objects: readonly CachedObject[]) => Promise<void>,
    onFailure: () => void,
  ) {
    this.#out = out;
    this.#prepare = prepare;
    this.#onFailure = onFailure;
  }

  get format(): string {
    return `prepared,${this.#out.format}`;
  }

  get wantsBookmarks(): boolean {
    return this.#out.wantsBookmarks;
  }

  get isRemote(): boolean {
    return this.#out.isRemote;
  }

  encode(events: readonly WatchedEvent[]): Delivery {
    return { events, encode: (sink) => sink.encode(events) };
  }

  encodeBookmark(revision: number, initialEventsEnd: boolean): Delivery {
    return { events: [], encode: (sink) => sink.encodeBookmark(revision, initialEventsEnd) };
  }

  deliver({ events, encode }: Delivery): void {
    this.#deliveries = this.#deliveries.then(async () => {
      if (this.#isEnded) return;
      try {
        if (events.length > 0) await this.#prepare(events.map(({ object }) => object));
        if (!this.#isEnded) this.#out.deliver(encode(this.#out));
      } catch (error) {
        this.#finish(error);
        this.#onFailure();
      }
    });
  }

  async drained(): Promise<void> {
    await this.#deliveries;
    await this.#out.drained();
  }

  end(error?: unknown): void {
    this.#deliveries = this.#deliveries.then(() => this.#finish(error));
  }

  #finish(error: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#out.end(error);
  }
}
