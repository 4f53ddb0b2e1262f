/**
 * The in-memory view of everything under /registry: it follows the store through one watch, and passes changes to the
 * cache of each resource. Reads come from here; {@link StoreView.caughtUp} ensures that none is staler than requested.
 */
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { CompactedError, SlowWatcherError, type Store, type StoreEvent } from '../../storage/store.ts';
import type { Completion } from './cached-object.ts';
import { type CacheEvent, ResourceCache } from './resource-cache.ts';
import { RevisionWaiters, type WaitOptions } from './revision-waiters.ts';
import { UnclaimedEntries } from './unclaimed-entries.ts';

export const registryPrefix = '/registry/';

/** Entries that one step of the initial list reads. */
const loadPageEntries = 5_000;
/** Pause before the store is asked again after it failed. */
const retryMs = 200;

export class StoreView {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #caches = new Map<string, ResourceCache>();
  /** Of kinds that are about to be added. */
  readonly #unclaimed = new UnclaimedEntries(registryPrefix);
  #revision = 0;
  /** The newest revision known to this process: from its own writes, or from a query to the store. */
  #known = 0;
  readonly #waiters: RevisionWaiters;
  /** True when other processes write to the same store: then a consistent read must ask the store for its revision. */
  readonly #shared: boolean;
  #asking: Promise<number> | undefined;
  #running: Promise<void> | undefined;

  constructor(options: { store: Store; clock: Clock; logger: Logger; shared?: boolean }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#waiters = new RevisionWaiters(options.clock);
    this.#logger = options.logger;
    this.#shared = options.shared ?? false;
  }

  /** Every change up to this revision is in the caches. */
  get revision(): number {
    return this.#revision;
  }

  /** Loads everything and starts to follow the store. */
  async start(): Promise<void> {
    await this.#load();
    this.#running = this.#follow();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the server is closing'));
    this.#waiters.rejectAll(this.#closing.signal.reason);
    await this.#running;
  }

  /** The cache of a storage prefix such as `pods` or `services/specs`; created when it is new. */
  claim(storagePrefix: string, completion?: Completion): ResourceCache {
    const known = this.#caches.get(storagePrefix);
    if (known) return known;
    const prefix = `${registryPrefix}${storagePrefix}/`;
    const cache = new ResourceCache(prefix, this.#revision, completion);
    this.#caches.set(storagePrefix, cache);
    for (const [key, entry] of this.#unclaimed.take(prefix)) {
      try {
        cache.load(key.slice(prefix.length), entry.revision, entry.value);
      } catch (error) {
        this.#logger.error('a stored value cannot be read and is left out', { key, error });
      }
    }
    return cache;
  }

  /** A write of this process was acknowledged: reads that begin from now on must show it. */
  written(revision: number): void {
    if (revision > this.#known) this.#known = revision;
  }

  /** Resolves when the view shows everything that was acknowledged to anybody before the call. */
  async caughtUp(): Promise<void> {
    const target = this.#shared ? await this.#currentRevision() : this.#known;
    if (this.#revision < target) await this.reached(target);
  }

  /** True when a read may be answered at once and still be consistent. */
  get isCurrent(): boolean {
    return !this.#shared && this.#revision >= this.#known;
  }

  /**
   * Resolves when the view has reached `revision`; rejects with a TimeoutError after `timeoutMs`, and with the signal's
   * reason when it aborts first.
   */
  reached(revision: number, options: WaitOptions = {}): Promise<void> {
    return this.#revision >= revision ? Promise.resolve() : this.#waiters.wait(revision, options);
  }

  /** One query at a time; callers that arrive while it is under way need one that begins later. */
  async #currentRevision(): Promise<number> {
    // Callers that are waiting already get the failure.
    await this.#asking?.catch(() => 0);
    this.#asking ??= this.#store.currentRevision().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #load(): Promise<void> {
    let after: string | undefined;
    let revision: number | undefined;
    for (;;) {
      const page = await this.#store.list(registryPrefix, {
        limit: loadPageEntries,
        ...(revision !== undefined && { revision }),
        ...(after !== undefined && { after }),
      });
      revision ??= page.revision;
      for (const entry of page.entries)
        this.#unclaimed.set(entry.key, { revision: entry.modRevision, value: entry.value });
      after = page.entries.at(-1)?.key;
      if (!page.more) break;
    }
    this.#advance(revision);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    let isHistoryLost = false;
    while (!signal.aborted) {
      try {
        if (isHistoryLost) await this.#resync();
        isHistoryLost = false;
        for await (const batch of this.#store.watch(registryPrefix, {
          fromRevision: this.#revision + 1,
          signal,
        })) {
          this.#applyBatch(batch.events);
          this.#advance(batch.revision);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof CompactedError || error instanceof SlowWatcherError) {
          isHistoryLost = true;
          continue;
        }
        this.#logger.warn('the store does not answer; the view waits', { error });
        await pause(this.#clock, retryMs, signal);
      }
    }
  }

  /** History was lost: the difference between the caches and the store becomes events, so that no watcher misses one. */
  async #resync(): Promise<void> {
    const { entries, revision } = await this.#store.list(registryPrefix);
    const current = new Set(entries.map(({ key }) => key));
    this.#unclaimed.keep(current);
    const events: StoreEvent[] = [];
    for (const cache of this.#caches.values()) {
      for (const object of cache.values()) {
        const key = cache.prefix + object.key;
        if (current.has(key)) continue;
        const value = object.storedValue();
        events.push({ type: 'delete', key, value, revision, createRevision: object.revision });
      }
    }
    for (const entry of entries) {
      const found = this.#cacheOf(entry.key);
      if (found?.cache.get(found.key)?.revision === entry.modRevision) continue;
      const { key, value, modRevision, createRevision } = entry;
      events.push({ type: 'put', key, value, revision: modRevision, createRevision });
    }
    events.sort((a, b) => a.revision - b.revision);
    this.#applyBatch(events);
    this.#advance(revision);
  }

  #applyBatch(events: readonly StoreEvent[]): void {
    const perCache = new Map<ResourceCache, CacheEvent[]>();
    for (const event of events) {
      const found = this.#cacheOf(event.key);
      if (!found) {
        if (event.type === 'put')
          this.#unclaimed.set(event.key, { revision: event.revision, value: event.value });
        else this.#unclaimed.delete(event.key);
        continue;
      }
      const applied = this.#apply(found, event);
      if (!applied) continue;
      const list = perCache.get(found.cache);
      if (list) list.push(applied);
      else perCache.set(found.cache, [applied]);
    }
    // The revision moves first: a listener may read, and must not find the view older than the event it got.
    const last = events.at(-1);
    if (last && last.revision > this.#revision) this.#revision = last.revision;
    for (const [cache, list] of perCache) cache.notify(list);
  }

  /** Undefined for a value that is no object: one of those must not stop the rest. */
  #apply({ cache, key }: { cache: ResourceCache; key: string }, event: StoreEvent): CacheEvent | undefined {
    try {
      return cache.apply(event.type, key, event.revision, event.value);
    } catch (error) {
      this.#logger.error('a stored value cannot be read and is left out', { key: event.key, error });
      return undefined;
    }
  }

  /** The cache whose prefix is the key without its last two parts (namespaced) or its last one. */
  #cacheOf(fullKey: string): { cache: ResourceCache; key: string } | undefined {
    const lastSlash = fullKey.lastIndexOf('/');
    const beforeThat = fullKey.lastIndexOf('/', lastSlash - 1);
    const start = registryPrefix.length;
    const namespaced = beforeThat > start ? this.#caches.get(fullKey.slice(start, beforeThat)) : undefined;
    if (namespaced) return { cache: namespaced, key: fullKey.slice(beforeThat + 1) };
    const cache = lastSlash > start ? this.#caches.get(fullKey.slice(start, lastSlash)) : undefined;
    return cache && { cache, key: fullKey.slice(lastSlash + 1) };
  }

  #advance(revision: number): void {
    if (revision > this.#revision) this.#revision = revision;
    if (this.#revision > this.#known) this.#known = this.#revision;
    this.#waiters.release(this.#revision);
  }
}
