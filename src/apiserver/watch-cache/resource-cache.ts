/** The current objects of one resource in key order, its recent history, and its watchers. */

import { startTimeSlices } from '../../base/async/time-slices.ts';
import { SortedKeys } from '../../base/collections/sorted-keys.ts';
import { CachedObject, type Completion } from './cached-object.ts';
import { WatcherCounts } from './watcher-counts.ts';

/** A change of one object, as history keeps it. */
export interface CacheEvent {
  readonly type: 'put' | 'delete';
  readonly revision: number;
  /** The new state; of a delete the last one, carrying the revision of the delete. */
  readonly object: CachedObject;
  /** The state before; undefined when the object is new. */
  readonly previous: CachedObject | undefined;
}

/** Called with changes in order of revision, and with an empty list when only the revision moved on. */
export type ChangeListener = (events: readonly CacheEvent[]) => void;

/** Events of one resource that are kept for watches that start in the past; the store's history serves older ones. */
const historyEventsMax = 2048;
/** Bytes of objects that one resource's history may hold on to. */
const historyBytesMax = 4 * 1024 * 1024;

/** Objects that are looked up before it is asked how old the turn is. */
const gatheredAtOnceMax = 256;

/** What a cache has done since the server started. */
export class CacheCounts {
  /** Changes that came from the store. */
  eventsReceived = 0;
  /** Those that watchers were told of. */
  eventsDispatched = 0;
  /** Events that watches began with: the state, or what happened since the revision that they named. */
  initialEvents = 0;
  lists = 0;
  /** Objects that lists looked at. */
  objectsFetched = 0;
  /** Objects that lists returned. */
  objectsReturned = 0;

  list(fetched: number, returned: number): void {
    this.lists++;
    this.objectsFetched += fetched;
    this.objectsReturned += returned;
  }
}

export class ResourceCache {
  /** Storage prefix with slashes around: `/registry/pods/`. */
  readonly prefix: string;
  /** For objects that are read from the store; undefined for kinds without defaults. */
  readonly completion: Completion | undefined;
  readonly #objects = new Map<string, CachedObject>();
  readonly #keys = new SortedKeys();
  /** For each reading under way: what has changed since it began, in its earlier state. */
  readonly #changedBefore = new Set<Map<string, CachedObject | undefined>>();
  #history: CacheEvent[] = [];
  #historyBytes = 0;
  /** Every event with a greater revision is in the history. */
  #historySince: number;
  readonly #listeners = new Set<ChangeListener>();
  #lastChange: number;
  #sizeBytes = 0;
  readonly counts = new CacheCounts();
  /** Those over the network. */
  readonly watchers = new WatcherCounts();
  /** Grows with every change of an object, so that results computed from the objects can be checked for staleness. */
  changes = 0;

  constructor(prefix: string, revision: number, completion?: Completion) {
    this.prefix = prefix;
    this.completion = completion;
    this.#historySince = revision;
    this.#lastChange = revision;
  }

  /** True when no object changed after `revision`: the present shows what a list of then would. */
  unchangedSince(revision: number): boolean {
    return this.#lastChange <= revision;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Of all objects, as they are stored. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(key: string): CachedObject | undefined {
    return this.#objects.get(key);
  }

  /** Objects whose key starts with `prefix` and sorts after `after`, in order. */
  *range(prefix: string, after?: string): Generator<CachedObject, void, undefined> {
    for (const key of this.#keys.withPrefix(prefix, after)) yield this.#objects.get(key)!;
  }

  /** All that {@link ResourceCache.range} yields, several times as fast. */
  all(prefix: string, after?: string): CachedObject[] {
    return this.#keys.listWithPrefix(prefix, after).map((key) => this.#objects.get(key)!);
  }

  /** As {@link ResourceCache.all}, over several slices: what changes meanwhile is returned as it was at the call. */
  async allInSlices(prefix: string, after?: string): Promise<CachedObject[]> {
    const keys = this.#keys.listWithPrefix(prefix, after);
    const changed = new Map<string, CachedObject | undefined>();
    const found: CachedObject[] = [];
    const slices = startTimeSlices();
    this.#changedBefore.add(changed);
    try {
      for (let from = 0; from < keys.length; from += gatheredAtOnceMax) {
        const pause = slices.yieldIfDue();
        if (pause) await pause;
        for (const key of keys.slice(from, from + gatheredAtOnceMax))
          found.push(changed.get(key) ?? this.#objects.get(key)!);
      }
    } finally {
      this.#changedBefore.delete(changed);
    }
    return found;
  }

  /** How many objects {@link ResourceCache.range} yields, without iterating over them. */
  count(prefix: string, after?: string): number {
    return this.#keys.countWithPrefix(prefix, after);
  }

  values(): Iterable<CachedObject> {
    return this.#objects.values();
  }

  /** Changes after `revision`, oldest first; undefined when the history does not reach back that far. */
  eventsAfter(revision: number): readonly CacheEvent[] | undefined {
    if (revision < this.#historySince) return undefined;
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#history[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#history.slice(low);
  }

  /** Calls `listener` for every change from now on. Returns a function that ends that. */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A state as the store holds it. */
  stored(key: string, revision: number, value: Uint8Array): CachedObject {
    return new CachedObject(key, revision, value, { completion: this.completion });
  }

  /** For the initial list and for entries that were there before the resource was: no history, no listeners. */
  load(key: string, revision: number, value: Uint8Array): void {
    const object = this.stored(key, revision, value);
    this.#sizeBytes += object.sizeBytes - (this.#objects.get(key)?.sizeBytes ?? 0);
    this.#objects.set(key, object);
    this.#keys.add(key);
    this.changes++;
  }

  /** Applies one change of the store, without telling anybody yet. */
  apply(type: 'put' | 'delete', key: string, revision: number, value: Uint8Array): CacheEvent {
    const previous = this.#objects.get(key);
    for (const changed of this.#changedBefore) if (!changed.has(key)) changed.set(key, previous);
    const isDelete = type === 'delete';
    this.#sizeBytes -= previous?.sizeBytes ?? 0;
    // A delete event carries the state before it, which is usually decoded already.
    const object = isDelete && previous ? previous.at(revision, value) : this.stored(key, revision, value);
    if (!isDelete) {
      this.#objects.set(key, object);
      this.#sizeBytes += object.sizeBytes;
      if (!previous) this.#keys.add(key);
    } else {
      this.#objects.delete(key);
      this.#keys.delete(key);
    }
    const event: CacheEvent = { type, revision, object, previous };
    this.changes++;
    this.counts.eventsReceived++;
    this.#lastChange = revision;
    this.#remember(event);
    return event;
  }

  notify(events: readonly CacheEvent[]): void {
    this.counts.eventsDispatched += events.length;
    for (const listener of this.#listeners) listener(events);
  }

  #remember(event: CacheEvent): void {
    this.#history.push(event);
    this.#historyBytes += bytesOf(event);
    if (this.#history.length <= historyEventsMax && this.#historyBytes <= historyBytesMax) return;
    // A quarter at a time, so that the array is not shifted with every event.
    let drop = Math.max(1, this.#history.length >>> 2);
    let keptBytes = this.#historyBytes;
    for (let index = 0; index < drop; index++) keptBytes -= bytesOf(this.#history[index]!);
    while (keptBytes > historyBytesMax && drop < this.#history.length) {
      keptBytes -= bytesOf(this.#history[drop]!);
      drop++;
    }
    this.#historySince = this.#history[drop - 1]!.revision;
    this.#history = this.#history.slice(drop);
    this.#historyBytes = keptBytes;
  }
}

/** What keeping the event costs: the state before is either held by the previous event, or referenced nowhere else. */
function bytesOf(event: CacheEvent): number {
  return event.object.sizeBytes + (event.previous?.sizeBytes ?? 0);
}
