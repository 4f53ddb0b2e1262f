/**
 * The store over etcd's v3 API, with keys laid out as upstream's, so that several API servers can share one etcd.
 * One watch on the whole root feeds every watcher here: etcd delivers its events in order of revision, which gives
 * progress for every prefix without etcd's progress notifications (before 3.4.25 these may overtake events).
 */

import { readFileSync } from 'node:fs';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import {
  CompactedError,
  FutureRevisionError,
  type ListOptions,
  type ListResult,
  type Revision,
  type Store,
  type StoredEntry,
  type StoreEvent,
  StoreUnavailableError,
  type WatchBatch,
  type WatchOptions,
  type WriteResult,
} from '../store.ts';
import { WatchHub } from '../watch-hub.ts';
import {
  EtcdApi,
  type EtcdEndpoints,
  type KeyValue,
  numberOf,
  refusedRevision,
  type WatchResponse,
} from './etcd-api.ts';

export interface EtcdStoreOptions extends EtcdEndpoints {
  clock: Clock;
  /** Everything that this store reads and writes starts with it. */
  root?: string;
}

/** Entries asked for per page of a list without a limit. */
const listPageEntries = 1_000;
/** How long a read at the newest revision waits for the root watch before it writes a mark to push it on. */
const progressPatienceMs = 50;
const reconnect = { firstMs: 50, maxMs: 2_000 };
const deleteEvent = 1;
const compareEqual = 0;
const compareModRevision = 2;

/**
 * Connects and starts to follow the root.
 * @throws {StoreUnavailableError} when no endpoint answers.
 */
export async function createEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const { root = '/registry/' } = options;
  const api = new EtcdApi(options);
  const { header } = await api.range({ key: bytesOf(root), count_only: true });
  return new EtcdStore(api, options.clock, root, numberOf(header.revision));
}

/** Endpoints with what TLS to them needs, read from files. */
export function etcdEndpoints(settings: {
  etcd: readonly string[];
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
}): EtcdEndpoints {
  const { caFile, certFile, keyFile } = settings.tls ?? {};
  return {
    endpoints: settings.etcd,
    tls: {
      ...(caFile && { ca: readFileSync(caFile) }),
      ...(certFile && { cert: readFileSync(certFile) }),
      ...(keyFile && { key: readFileSync(keyFile) }),
    },
  };
}

class EtcdStore implements Store {
  readonly #api: EtcdApi;
  readonly #clock: Clock;
  readonly #root: string;
  readonly #markKey: string;
  readonly #hub = new WatchHub();
  readonly #closing = new AbortController();
  readonly #following: Promise<void>;
  /** The newest revision that watchers have been given. */
  #seen: Revision;
  /** By this process; others compact, too. */
  #compacted: Revision = 0;
  readonly #waiters = new Set<() => void>();

  constructor(api: EtcdApi, clock: Clock, root: string, revision: Revision) {
    this.#api = api;
    this.#clock = clock;
    this.#root = root;
    this.#markKey = `${root}wherry.dev/progress`;
    this.#seen = revision;
    this.#following = this.#follow();
  }

  async get(key: string, options: { revision?: Revision } = {}) {
    const answer = await this.#range({ key: bytesOf(key), revision: options.revision }, options.revision);
    const found = answer.kvs[0];
    return { entry: found && entryOf(found), revision: options.revision ?? numberOf(answer.header.revision) };
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const entries: StoredEntry[] = [];
    let { after, revision } = options;
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    for (;;) {
      const answer = await this.#range(
        {
          key: bytesOf(after !== undefined && after >= prefix ? `${after}\0` : prefix),
          range_end: prefixEnd(prefix),
          limit: Math.min(listPageEntries, limit - entries.length),
          revision,
        },
        revision,
      );
      revision ??= numberOf(answer.header.revision);
      const found = answer.kvs.map(entryOf);
      for (const entry of found) if (entry.key !== this.#markKey) entries.push(entry);
      if (!answer.more) return { entries, revision, more: false };
      if (entries.length >= limit) {
        return { entries, revision, more: true, remaining: numberOf(answer.count) - answer.kvs.length };
      }
      after = found.at(-1)!.key;
    }
  }

  create(key: string, value: Uint8Array): Promise<WriteResult> {
    return this.#swap(key, 0, { request_put: { key: bytesOf(key), value } });
  }

  update(key: string, value: Uint8Array, expected: Revision): Promise<WriteResult> {
    return this.#swap(key, expected, { request_put: { key: bytesOf(key), value } });
  }

  delete(key: string, expected: Revision): Promise<WriteResult> {
    return this.#swap(key, expected, { request_delete_range: { key: bytesOf(key) } });
  }

  async *watch(
    prefix: string,
    { fromRevision, signal }: WatchOptions,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    if (fromRevision === undefined) return yield* this.#hub.watch(prefix, signal);
    const history = () => this.#history(prefix, fromRevision, this.#seen);
    for await (const { events, revision } of this.#hub.watch(prefix, signal, history)) {
      // The caller may have read further than the root watch has come: what it knows already is not news.
      yield { events: events.filter((event) => event.revision >= fromRevision), revision };
    }
  }

  /** The newest revision of etcd, once the watchers here have been given everything up to it. */
  async currentRevision(): Promise<Revision> {
    const { header } = await this.#api.range({ key: bytesOf(this.#root), count_only: true });
    const revision = numberOf(header.revision);
    if (!(await this.#reached(revision, progressPatienceMs))) {
      // The last write was outside the root: one of ours makes the watch report how far it is.
      await this.#mark();
      await this.#reached(revision, undefined);
    }
    return revision;
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#api.compact(revision);
    } catch (error) {
      // Another server was quicker: the history is as short as asked for.
      if (refusedRevision(error) !== 'compacted') throw error;
    }
    this.#compacted = Math.max(this.#compacted, revision);
  }

  get compacted(): Revision {
    return this.#compacted;
  }

  sizeBytes(): Promise<number> {
    return this.#api.databaseBytes();
  }

  async close(): Promise<void> {
    this.#closing.abort(new StoreUnavailableError('the store is closed'));
    this.#hub.close(this.#closing.signal.reason);
    await this.#following;
    this.#api.close();
  }

  async #range(request: object, revision: Revision | undefined) {
    try {
      return await this.#api.range(request);
    } catch (error) {
      const refused = refusedRevision(error);
      if (refused === 'compacted') throw new CompactedError(revision ?? 0, (revision ?? 0) + 1);
      if (refused === 'future') throw new FutureRevisionError(revision ?? 0, this.#seen);
      throw error;
    }
  }

  async #swap(key: string, expected: Revision, operation: object): Promise<WriteResult> {
    const answer = await this.#api.txn({
      compare: [
        { result: compareEqual, target: compareModRevision, key: bytesOf(key), mod_revision: expected },
      ],
      success: [operation],
      failure: [{ request_range: { key: bytesOf(key) } }],
    });
    if (answer.succeeded) return { ok: true, revision: numberOf(answer.header.revision) };
    const found = answer.responses[0]?.response_range?.kvs[0];
    return { ok: false, current: found && entryOf(found) };
  }

  /** Keeps the root watch open over lost connections, from where the last one ended. */
  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        for await (const events of this.#eventsFrom(this.#root, this.#seen + 1, signal)) {
          attempt = 0;
          this.#seen = events.at(-1)!.revision;
          this.#hub.publish(
            events.filter(({ key }) => key !== this.#markKey),
            this.#seen,
          );
          for (const wake of this.#waiters) wake();
        }
      } catch (error) {
        if (error instanceof CompactedError) this.#startOver(error);
        else if (!(error instanceof StoreUnavailableError)) this.#hub.close(error as Error);
      }
      if (!signal.aborted) await pause(this.#clock, backoffDelayMs(reconnect, attempt), signal);
    }
  }

  /** The connection was lost for longer than history is kept: every watcher must list again. */
  #startOver(error: CompactedError): void {
    this.#hub.close(error);
    this.#seen = error.oldest - 1;
  }

  /** Batches of events, each batch holding all events of its revisions. */
  async *#eventsFrom(
    prefix: string,
    fromRevision: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<StoreEvent[], void, undefined> {
    const stream = this.#api.watch({
      key: bytesOf(prefix),
      range_end: prefixEnd(prefix),
      start_revision: fromRevision,
      prev_kv: true,
      fragment: true,
    });
    const close = () => stream.close();
    signal.addEventListener('abort', close);
    try {
      let fragments: StoreEvent[] = [];
      for await (const response of stream.responses) {
        checkWatch(response, fromRevision);
        fragments.push(...response.events.map(eventOf));
        if (response.fragment || fragments.length === 0) continue;
        yield fragments;
        fragments = [];
      }
    } finally {
      signal.removeEventListener('abort', close);
      stream.close();
    }
  }

  /** What happened from `fromRevision` to `until`, the newest that the hub has published. */
  async #history(prefix: string, fromRevision: Revision, until: Revision): Promise<WatchBatch> {
    const events: StoreEvent[] = [];
    if (fromRevision > until) return { events, revision: until };
    const end = await this.#mark();
    for await (const batch of this.#eventsFrom(this.#root, fromRevision, this.#closing.signal)) {
      for (const event of batch)
        if (event.revision <= until && event.key.startsWith(prefix)) events.push(event);
      if (batch.at(-1)!.revision >= end) break;
    }
    return { events: events.filter(({ key }) => key !== this.#markKey), revision: until };
  }

  /**
   * Writes a key that is never read; its revision appears on every watch of the root, after all revisions before it.
   */
  async #mark(): Promise<Revision> {
    const put = { request_put: { key: bytesOf(this.#markKey), value: bytesOf('') } };
    return numberOf((await this.#api.txn({ success: [put] })).header.revision);
  }

  /** False when `patienceMs` passed first; waits for as long as it takes when that is undefined. */
  async #reached(revision: Revision, patienceMs: number | undefined): Promise<boolean> {
    const { signal } = this.#closing;
    let late = false;
    while (this.#seen < revision && !late) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const timer =
          patienceMs === undefined
            ? undefined
            : this.#clock.after(patienceMs, () => {
                late = true;
                done();
              });
        const done = () => {
          timer?.cancel();
          this.#waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiters.add(done);
        signal.addEventListener('abort', done);
      });
    }
    return this.#seen >= revision;
  }
}

function checkWatch(response: WatchResponse, fromRevision: Revision): void {
  if (!response.canceled) return;
  const compacted = numberOf(response.compact_revision);
  if (compacted > 0) throw new CompactedError(fromRevision, compacted + 1);
  throw new StoreUnavailableError(`etcd cancelled a watch: ${response.cancel_reason ?? 'no reason given'}`);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The first key after all that start with `prefix`: its last byte plus one. */
function prefixEnd(prefix: string): Uint8Array {
  const end = encoder.encode(prefix);
  end[end.length - 1]!++;
  return end;
}

function entryOf(found: KeyValue): StoredEntry {
  return {
    key: decoder.decode(found.key),
    value: found.value,
    createRevision: numberOf(found.create_revision),
    modRevision: numberOf(found.mod_revision),
  };
}

function eventOf({ type, kv, prev_kv }: WatchResponse['events'][number]): StoreEvent {
  const previous = prev_kv && { value: prev_kv.value, revision: numberOf(prev_kv.mod_revision) };
  const isDelete = type === deleteEvent;
  return {
    type: isDelete ? 'delete' : 'put',
    key: decoder.decode(kv.key),
    value: isDelete ? (prev_kv?.value ?? new Uint8Array()) : kv.value,
    revision: numberOf(kv.mod_revision),
    createRevision: numberOf(isDelete ? prev_kv?.create_revision : kv.create_revision),
    ...(previous && { previous }),
  };
}
