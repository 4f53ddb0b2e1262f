/**
 * Watchers with the same selection of one resource: each change is matched once for all of them, and encoded once per
 * format. Changes that arrive within one turn of the event loop are sent together.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { CacheEvent, ResourceCache } from './resource-cache.ts';
import { type Selection, type WatchedEvent, watchedEventOf } from './selection.ts';

/** Marks the bookmark that ends the initial events of a watch. */
export const initialEventsEndAnnotation = 'k8s.io/initial-events-end';

export interface BookmarkOptions {
  /** The bookmark follows the objects that were there when the watch began. */
  initialEventsEnd?: boolean;
}

/** Where one watcher's events go. */
export interface WatchSink {
  /** Sinks of a group with equal formats get the very same encoded batches. */
  readonly format: string;
  readonly wantsBookmarks: boolean;
  /** True when batches may wait for the end of the event loop's turn. */
  readonly isRemote: boolean;
  encode(events: readonly WatchedEvent[]): unknown;
  encodeBookmark(revision: number, options?: BookmarkOptions): unknown;
  /** Accepts one encoded batch. Must not block: a sink that cannot keep up ends itself. */
  deliver(encoded: unknown): void;
  /** Resolves when the sink can take more; used while a watch catches up. */
  drained(): Promise<void>;
  /** No more events follow. */
  end(error?: unknown): void;
}

/** How often watchers that asked for bookmarks get one. */
const bookmarkIntervalMs = 60_000;

/** The pause after a round, as a multiple of its duration, and its upper limit. */
const flushPauseFactor = 5;
const flushPauseMsMax = 25;

export class WatchGroup {
  readonly #cache: ResourceCache;
  readonly #selection: Selection;
  readonly #clock: Clock;
  readonly #revision: () => number;
  readonly #onEmpty: () => void;
  readonly #sinks = new Set<WatchSink>();
  /** Changes that remote sinks have not been sent yet. */
  #pending: WatchedEvent[] = [];
  #flushScheduled = false;
  #nextFlushMs = 0;
  #localSinks = 0;
  #stopListening: (() => void) | undefined;
  #bookmarkTimer: Timer | undefined;

  constructor(options: {
    cache: ResourceCache;
    selection: Selection;
    clock: Clock;
    revision: () => number;
    onEmpty: () => void;
  }) {
    this.#cache = options.cache;
    this.#selection = options.selection;
    this.#clock = options.clock;
    this.#revision = options.revision;
    this.#onEmpty = options.onEmpty;
  }

  /** The sink gets every change from now on. */
  join(sink: WatchSink): void {
    this.#flush(); // what is pending happened before: the new sink has seen it already
    this.#sinks.add(sink);
    if (!sink.isRemote) this.#localSinks++;
    if (this.#sinks.size > 1) return;
    this.#stopListening = this.#cache.listen((events) => this.#take(events));
    this.#scheduleBookmark();
  }

  leave(sink: WatchSink): void {
    if (!this.#sinks.delete(sink)) return;
    if (!sink.isRemote) this.#localSinks--;
    if (this.#sinks.size > 0) return;
    this.#stopListening?.();
    this.#bookmarkTimer?.cancel();
    this.#pending = [];
    this.#onEmpty();
  }

  /** Sinks of this process get changes at once; remote ones in rounds. */
  #take(events: readonly CacheEvent[]): void {
    const watched = this.#chosen(events);
    if (watched.length === 0) return;
    if (this.#localSinks > 0) this.#send((sink) => sink.encode(watched), isLocal);
    if (this.#localSinks === this.#sinks.size) return;
    for (const event of watched) this.#pending.push(event);
    this.#scheduleFlush();
  }

  /**
   * Empty when the selection cannot be evaluated: its watches end with the error, and no other group is affected.
   */
  #chosen(events: readonly CacheEvent[]): WatchedEvent[] {
    try {
      return events.flatMap((event) => watchedEventOf(this.#selection, event) ?? []);
    } catch (error) {
      for (const sink of [...this.#sinks]) sink.end(error);
      return [];
    }
  }

  /**
   * Serving many watchers takes long: the next round waits a while after the last, so that its cost is spread over more
   * events and writers get their turn. A round for few watchers is short and delays nothing.
   */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    const flush = () => {
      this.#flushScheduled = false;
      const startMs = this.#clock.monotonic();
      this.#flush();
      // Node writes responses when the turn ends: most of the cost is there.
      process.nextTick(() => {
        const endMs = this.#clock.monotonic();
        this.#nextFlushMs = endMs + Math.min(flushPauseMsMax, (endMs - startMs) * flushPauseFactor);
      });
    };
    const waitMs = this.#nextFlushMs - this.#clock.monotonic();
    if (waitMs > 1) this.#clock.after(waitMs, flush);
    else setImmediate(flush);
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const events = this.#pending;
    this.#pending = [];
    this.#send((sink) => sink.encode(events), isRemote);
  }

  /**
   * Encodes once per format. A sink's format may change between events: it is queried each time. A sink that cannot
   * show an event ends with the error, since it must not continue with a gap; the others get what they can show.
   */
  #send(encode: (sink: WatchSink) => unknown, isWanted: (sink: WatchSink) => boolean): void {
    const encodedByFormat = new Map<string, unknown>();
    for (const sink of [...this.#sinks]) {
      if (!isWanted(sink)) continue;
      try {
        const { format } = sink;
        const encoded = encodedByFormat.get(format) ?? encode(sink);
        encodedByFormat.set(format, encoded);
        sink.deliver(encoded);
      } catch (error) {
        sink.end(error);
      }
    }
  }

  #scheduleBookmark(): void {
    this.#bookmarkTimer = this.#clock.after(bookmarkIntervalMs, () => {
      this.#flush();
      const revision = this.#revision();
      this.#send(
        (sink) => sink.encodeBookmark(revision),
        (sink) => sink.wantsBookmarks,
      );
      if (this.#sinks.size > 0) this.#scheduleBookmark();
    });
  }
}

function isRemote(sink: WatchSink): boolean {
  return sink.isRemote;
}

function isLocal(sink: WatchSink): boolean {
  return !sink.isRemote;
}
