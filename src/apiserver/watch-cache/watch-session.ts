/** One watch: the initial state or earlier events, then every change, until it is ended. */

import { expired } from '../../api/status.ts';
import { untilAborted } from '../../base/async/unless-aborted.ts';
import type { Clock } from '../../base/clock.ts';
import { CompactedError, type Store, type StoreEvent } from '../../storage/store.ts';
import type { CachedObject } from './cached-object.ts';
import { PreparingSink } from './preparing-sink.ts';
import type { CacheEvent, ResourceCache } from './resource-cache.ts';
import { selectedObjects } from './selected-objects.ts';
import { type Selection, type WatchedEvent, watchedEventOf } from './selection.ts';
import type { StoreView } from './store-view.ts';
import { WatchGroup, type WatchSink } from './watch-group.ts';
import type { WatchScope } from './watcher-counts.ts';

/** Events that are handed over in one step while a watch catches up. */
const catchUpEventsPerStep = 500;

export interface WatchStart {
  /** Send the present objects as ADDED first. */
  initialState: boolean;
  /** Tell when all of that was sent, by an annotated bookmark. */
  initialEventsEnd: boolean;
  /** Without initial state: send what happened after this revision. */
  afterRevision: number;
}

export interface WatchSessionOptions {
  cache: ResourceCache;
  selection: Selection;
  start: WatchStart;
  /** What the watch waits for before it sends anything; a failure ends it. */
  ready?(): Promise<void>;
  /** The watch ends by itself after this time. */
  timeoutMs: number;
  signal: AbortSignal;
  /** Which writes concern it; absent when that are few of those in its namespace. */
  scope?: WatchScope | undefined;
  /** Preparation of objects before they can be encoded: a conversion that takes time. */
  prepare?(objects: readonly CachedObject[]): Promise<void>;
}

/** Creates watches of one view, and has equal ones share their work. */
export class WatchSessions {
  readonly #groups = new Map<ResourceCache, Map<string, WatchGroup>>();
  readonly view: StoreView;
  readonly store: Store;
  readonly clock: Clock;
  /** Watches that are open now. */
  open = 0;

  constructor(options: { view: StoreView; store: Store; clock: Clock }) {
    this.view = options.view;
    this.store = options.store;
    this.clock = options.clock;
  }

  create(options: WatchSessionOptions): WatchSession {
    return new WatchSession(this, options);
  }

  group(cache: ResourceCache, selection: Selection): WatchGroup {
    let groups = this.#groups.get(cache);
    if (!groups) {
      groups = new Map();
      this.#groups.set(cache, groups);
    }
    const known = groups.get(selection.id);
    if (known) return known;
    const ofCache = groups;
    const group = new WatchGroup({
      cache,
      selection,
      clock: this.clock,
      revision: () => this.view.revision,
      onEmpty: () => ofCache.delete(selection.id),
    });
    groups.set(selection.id, group);
    return group;
  }
}

export class WatchSession {
  readonly #sessions: WatchSessions;
  readonly #options: WatchSessionOptions;
  readonly #ended = new AbortController();

  constructor(sessions: WatchSessions, options: WatchSessionOptions) {
    this.#sessions = sessions;
    this.#options = options;
  }

  /** Sends events to `sink` until the watch ends; `sink.end` has been called then. */
  async run(out: WatchSink): Promise<void> {
    const { timeoutMs, signal, prepare } = this.#options;
    const { late } = this.#options.selection;
    const sink = prepare ? new PreparingSink(out, prepare, late, () => this.close()) : out;
    const { clock, view } = this.#sessions;
    const end = () => this.#ended.abort();
    if (signal.aborted) return sink.end();
    signal.addEventListener('abort', end, { once: true });
    const timer = clock.after(timeoutMs, end);
    this.#sessions.open++;
    const { cache, scope } = this.#options;
    const forget = scope && out.isRemote ? cache.watchers.add(scope) : undefined;
    let group: WatchGroup | undefined;
    try {
      await this.#options.ready?.();
      group = await this.#catchUp(sink);
      if (!group) return sink.end();
      await untilAborted(this.#ended.signal);
      if (sink.wantsBookmarks && !signal.aborted) sink.deliver(sink.encodeBookmark(view.revision));
      sink.end();
    } catch (error) {
      sink.end(error);
    } finally {
      group?.leave(sink);
      timer.cancel();
      signal.removeEventListener('abort', end);
      this.#sessions.open--;
      forget?.();
    }
  }

  /** Ends the watch as its timeout would. */
  close(): void {
    this.#ended.abort();
  }

  /**
   * Sends everything up to the view's present state and joins the group, synchronously, so that nothing is missed in
   * between. Undefined when the watch ended meanwhile.
   */
  async #catchUp(sink: WatchSink): Promise<WatchGroup | undefined> {
    const { cache, selection, start } = this.#options;
    const { view } = this.#sessions;
    let revision = start.afterRevision;
    if (start.initialState) {
      revision = view.revision;
      if (!(await this.#sendState(sink))) return undefined;
      if (start.initialEventsEnd) sink.deliver(sink.encodeBookmark(revision, { initialEventsEnd: true }));
    }
    // The client has seen more than this server, on another one perhaps: what it saw must not come twice.
    if (view.revision < revision && !(await this.#reached(revision))) return undefined;
    for (;;) {
      if (this.#ended.signal.aborted) return undefined;
      const events = cache.eventsAfter(revision);
      if (!events) {
        const reached = await this.#readHistory(sink, revision);
        if (reached === undefined) return undefined;
        revision = reached;
        continue;
      }
      this.#send(sink, events);
      const group = this.#sessions.group(cache, selection);
      group.join(sink);
      return group;
    }
  }

  /** Returns false when the watch ended before the view was there. */
  async #reached(revision: number): Promise<boolean> {
    const { signal } = this.#ended;
    try {
      await this.#sessions.view.reached(revision, { signal });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }

  /** Returns false when the watch ended before everything was sent. */
  async #sendState(sink: WatchSink): Promise<boolean> {
    const { cache, selection } = this.#options;
    const objects = await selectedObjects(cache, selection);
    for (let from = 0; from < objects.length; from += catchUpEventsPerStep) {
      const step = objects.slice(from, from + catchUpEventsPerStep);
      sink.deliver(sink.encode(step.map((object) => ({ type: 'ADDED', object }))));
      cache.counts.initialEvents += step.length;
      if (from + catchUpEventsPerStep < objects.length) await sink.drained();
      if (this.#ended.signal.aborted) return false;
    }
    return true;
  }

  /** Sends events from the store's history until the cache's own history takes over. */
  async #readHistory(sink: WatchSink, after: number): Promise<number | undefined> {
    const { cache } = this.#options;
    const { store } = this.#sessions;
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#ended.signal]);
    let revision = after;
    try {
      for await (const batch of store.watch(cache.prefix, { fromRevision: after + 1, signal })) {
        const events = batch.events.map((event) => cacheEventOf(cache, event));
        for (let from = 0; from < events.length; from += catchUpEventsPerStep) {
          this.#send(sink, events.slice(from, from + catchUpEventsPerStep));
          await sink.drained();
        }
        revision = batch.revision;
        // The view lags at most a moment behind the store; what it already shows must not be sent twice.
        if (cache.eventsAfter(revision)) break;
      }
    } catch (error) {
      if (error instanceof CompactedError)
        throw expired(`too old resource version: ${after} (${error.oldest})`);
      throw error;
    } finally {
      stop.abort();
    }
    if (this.#ended.signal.aborted) return undefined;
    await this.#sessions.view.reached(revision);
    return revision;
  }

  #send(sink: WatchSink, events: readonly CacheEvent[]): void {
    const { cache, selection } = this.#options;
    cache.counts.initialEvents += events.length;
    const watched: WatchedEvent[] = [];
    for (const event of events) {
      const seen = watchedEventOf(selection, event);
      if (seen) watched.push(seen);
    }
    if (watched.length > 0) sink.deliver(sink.encode(watched));
  }
}

function cacheEventOf(cache: ResourceCache, event: StoreEvent): CacheEvent {
  const key = event.key.slice(cache.prefix.length);
  const { type, revision, value, previous } = event;
  return {
    type,
    revision,
    object: cache.stored(key, revision, value),
    previous: previous && cache.stored(key, previous.revision, previous.value),
  };
}
