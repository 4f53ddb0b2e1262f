/**
 * In front of another sink: has the objects of events prepared, which takes time, and preserves the order of events.
 */
import type { CachedObject } from './cached-object.ts';
import { lateEventOf, type Selection, type WatchedEvent } from './selection.ts';
import type { BookmarkOptions, WatchSink } from './watch-group.ts';

interface Delivery {
  events: readonly WatchedEvent[];
  encode(sink: WatchSink, chosen: readonly WatchedEvent[]): unknown;
}

/**
 * Events that may wait for their preparation; a watch with more is ended, and its client continues from where it was.
 */
const waitingMax = 10_000;

export class PreparingSink implements WatchSink {
  readonly #out: WatchSink;
  readonly #prepare: (objects: readonly CachedObject[]) => Promise<void>;
  readonly #late: Selection['late'];
  readonly #onFailure: () => void;
  #deliveries: Promise<void> = Promise.resolve();
  #isEnded = false;
  #waiting = 0;

  constructor(
    out: WatchSink,
    prepare: (objects: readonly CachedObject[]) => Promise<void>,
    late: Selection['late'],
    onFailure: () => void,
  ) {
    this.#out = out;
    this.#prepare = prepare;
    this.#late = late;
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
    return { events, encode: (sink, chosen) => sink.encode(chosen) };
  }

  encodeBookmark(revision: number, options?: BookmarkOptions): Delivery {
    return { events: [], encode: (sink) => sink.encodeBookmark(revision, options) };
  }

  deliver({ events, encode }: Delivery): void {
    if (this.#isEnded) return;
    this.#waiting += events.length;
    // The state at the start comes in one piece, however large it is.
    if (this.#waiting > waitingMax && this.#waiting > events.length) {
      this.#finish(undefined);
      this.#onFailure();
      return;
    }
    this.#deliveries = this.#deliveries.then(async () => {
      if (this.#isEnded) return;
      try {
        const chosen = await this.#choose(events);
        if (events.length > 0 && chosen.length === 0) return;
        if (!this.#isEnded) this.#out.deliver(encode(this.#out, chosen));
      } catch (error) {
        this.#finish(error);
        this.#onFailure();
      } finally {
        this.#waiting -= events.length;
      }
    });
  }

  /** Converts what events show, and forwards those that pass the selection's late choice. */
  async #choose(events: readonly WatchedEvent[]): Promise<readonly WatchedEvent[]> {
    const late = this.#late;
    const shown = events.flatMap(({ object, previous }) => (previous ? [object, previous] : [object]));
    if (shown.length > 0) await this.#prepare(shown);
    if (!late) return events;
    const chosen = events.flatMap((event) => lateEventOf(late, event) ?? []);
    // An object that leaves the selection is shown in its last selected state, which is a separate object.
    if (chosen.length > 0) await this.#prepare(chosen.map(({ object }) => object));
    return chosen;
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
