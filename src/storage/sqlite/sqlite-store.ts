/**
 * The store on SQLite. The newest state of every key is kept in memory and decides compare-and-swaps at once; writes that
 * arrive while a commit is under way form the next one, so that one fsync serves many. Nothing is acknowledged, shown to
 * readers or watchers before its commit is durable.
 */
import { CurrentEntries } from '../current-entries.ts';
import {
  CompactedError,
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
import { checkReadable, creation, removal, replacement } from '../store-events.ts';
import { WatchHub } from '../watch-hub.ts';
import type { HistoryRow, LoadedFacts, LogRow } from './database.ts';
import { unpackRows } from './packed-rows.ts';
import { WorkerPort } from './worker-port.ts';

/** Keys loaded per request at start-up. */
const loadPageKeys = 5_000;
/** Writes that one commit may hold; more wait for the next. */
const commitWritesMax = 1_000;

/** A write that has won but is not durable yet. */
interface PendingWrite {
  event: StoreEvent;
  resolve(result: WriteResult): void;
  reject(error: Error): void;
}

/**
 * Opens the file at `path`, creating it when absent.
 * @throws when the file cannot be opened or is locked by another process.
 */
export async function createSqliteStore(options: { path: string }): Promise<Store> {
  const worker = new WorkerPort(options.path);
  try {
    const facts = await worker.ask({ kind: 'facts' });
    const current = CurrentEntries.of(await loadEntries(worker));
    return new SqliteStore(worker, current, facts);
  } catch (error) {
    // A thread that has ended cannot be closed; the caller needs to know why the file could not be opened.
    await worker.close().catch(() => undefined);
    throw new StoreUnavailableError(`${options.path}: ${(error as Error).message}`, { cause: error });
  }
}

async function loadEntries(worker: WorkerPort): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  const load = (after: number) => worker.ask({ kind: 'load', after, limit: loadPageKeys });
  for (let page = await load(0); ; ) {
    const isLast = page.keys.length < loadPageKeys;
    // The thread reads the next page while this one is taken in.
    const next = isLast ? undefined : load(page.revisions.at(-1)!);
    for (const entry of unpackRows(page)) entries.push(entry);
    if (!next) return entries;
    page = await next;
  }
}

/** Of older revisions it is not known how many keys a list has left out: other work waits while they are counted. */
const countedRevisionsMax = 50_000;

class SqliteStore implements Store {
  readonly #worker: WorkerPort;
  readonly #current: CurrentEntries;
  readonly #hub = new WatchHub();
  /** Newest durable revision, and the newest handed out to a write. */
  #revision: Revision;
  #assigned: Revision;
  #compacted: Revision;
  /** What writes under way will make of a key; null: deleted. */
  #upcoming = new Map<string, StoredEntry | null>();
  #queue: PendingWrite[] = [];
  /** Settles when all that has been queued so far is durable (or has failed). */
  #flushing: Promise<void> | undefined;
  #closed = false;

  constructor(worker: WorkerPort, current: CurrentEntries, { revision, compacted }: LoadedFacts) {
    this.#worker = worker;
    this.#current = current;
    this.#revision = revision;
    this.#assigned = revision;
    this.#compacted = compacted;
  }

  async get(key: string, options: { revision?: Revision } = {}) {
    const { revision = this.#revision } = options;
    if (revision === this.#revision) return { entry: this.#current.get(key), revision };
    this.#checkRevision(revision);
    const rows = await this.#worker.ask({ kind: 'state', revision, prefix: key, limit: 1, after: undefined });
    const row = rows.find((candidate) => candidate.key === key);
    return { entry: row && entryOf(row), revision };
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const { revision = this.#revision, limit = Number.POSITIVE_INFINITY, after } = options;
    if (revision === this.#revision) return this.#current.list(prefix, options, revision);
    this.#checkRevision(revision);
    const rows = await this.#worker.ask({ kind: 'state', revision, prefix, limit: limit + 1, after });
    const entries = rows.slice(0, limit).map(entryOf);
    if (rows.length <= limit) return { entries, revision, more: false };
    const remaining = await this.#remainingAt(revision, prefix, entries.at(-1)?.key ?? after ?? '');
    return { entries, revision, more: true, ...(remaining !== undefined && { remaining }) };
  }

  /** Keys that came after one at a past revision: those of now, less what they have become more. */
  async #remainingAt(revision: Revision, prefix: string, after: string): Promise<number | undefined> {
    const until = this.#revision;
    if (until - revision > countedRevisionsMax) return undefined;
    const now = this.#current.count(prefix, after);
    const growth = await this.#worker.ask({ kind: 'growth', prefix, after, from: revision, until });
    return revision < this.#compacted ? undefined : now - growth;
  }

  create(key: string, value: Uint8Array): Promise<WriteResult> {
    const current = this.#newest(key);
    if (current) return this.#lost(key);
    return this.#enqueue(creation(key, value, this.#assigned + 1));
  }

  update(key: string, value: Uint8Array, expected: Revision): Promise<WriteResult> {
    const current = this.#newest(key);
    if (current?.modRevision !== expected) return this.#lost(key);
    return this.#enqueue(replacement(current, value, this.#assigned + 1));
  }

  delete(key: string, expected: Revision): Promise<WriteResult> {
    const current = this.#newest(key);
    if (current?.modRevision !== expected) return this.#lost(key);
    return this.#enqueue(removal(current, this.#assigned + 1));
  }

  watch(prefix: string, { fromRevision, signal }: WatchOptions): AsyncIterable<WatchBatch> {
    if (fromRevision === undefined) return this.#hub.watch(prefix, signal);
    return this.#hub.watch(prefix, signal, () => this.#history(prefix, fromRevision));
  }

  async currentRevision(): Promise<Revision> {
    return this.#revision;
  }

  get compacted(): Revision {
    return this.#compacted;
  }

  async compact(revision: Revision): Promise<void> {
    const until = Math.min(revision, this.#revision);
    if (until <= this.#compacted) return;
    this.#compacted = until;
    await this.#worker.ask({ kind: 'compact', revision: until });
  }

  sizeBytes(): Promise<number> {
    return this.#worker.ask({ kind: 'size' });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing;
    this.#hub.close(new StoreUnavailableError('the store is closed'));
    await this.#worker.close();
  }

  /** The value of a key once everything under way is durable. */
  #newest(key: string): StoredEntry | undefined {
    const upcoming = this.#upcoming.get(key);
    return upcoming === undefined ? this.#current.get(key) : (upcoming ?? undefined);
  }

  /** Answers a lost write only after what it lost to is durable: readers must not learn of writes that may yet fail. */
  async #lost(key: string): Promise<WriteResult> {
    if (this.#upcoming.has(key)) await this.#flushing;
    return { ok: false, current: this.#current.get(key) };
  }

  #enqueue(event: StoreEvent): Promise<WriteResult> {
    if (this.#closed) return Promise.reject(new StoreUnavailableError('the store is closed'));
    this.#assigned = event.revision;
    const { key, value, createRevision, revision } = event;
    this.#upcoming.set(
      key,
      event.type === 'put' ? { key, value, createRevision, modRevision: revision } : null,
    );
    return new Promise((resolve, reject) => {
      this.#queue.push({ event, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async #flush(): Promise<void> {
    // Writes of one turn of the event loop belong into one commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, commitWritesMax);
      try {
        await this.#commit(batch);
      } catch (error) {
        this.#abandon([...batch, ...this.#queue.splice(0)], error as Error);
        break;
      }
      this.#publish(batch);
    }
    this.#flushing = undefined;
  }

  #commit(batch: readonly PendingWrite[]): Promise<undefined> {
    const events = batch.map(({ event }) => event);
    const lengths = events.map((event) => (event.type === 'put' ? event.value.byteLength : -1));
    const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + Math.max(0, length), 0));
    let offset = 0;
    for (const event of events) {
      if (event.type !== 'put') continue;
      bytes.set(event.value, offset);
      offset += event.value.byteLength;
    }
    const keys = events.map((event) => event.key);
    const createRevisions = events.map((event) => event.createRevision);
    const firstRevision = events[0]!.revision;
    return this.#worker.ask({ kind: 'commit', firstRevision, keys, createRevisions, lengths, bytes }, [
      bytes.buffer,
    ]);
  }

  #publish(batch: readonly PendingWrite[]): void {
    for (const { event } of batch) {
      this.#current.apply(event);
      const upcoming = this.#upcoming.get(event.key);
      if (event.type === 'delete' ? upcoming === null : upcoming?.modRevision === event.revision) {
        this.#upcoming.delete(event.key);
      }
    }
    this.#revision = batch.at(-1)!.event.revision;
    this.#hub.publish(
      batch.map(({ event }) => event),
      this.#revision,
    );
    for (const { event, resolve } of batch) resolve({ ok: true, revision: event.revision });
  }

  /** The commit failed as a whole: the previous state remains, and every write that built on it fails with it. */
  #abandon(writes: readonly PendingWrite[], error: Error): void {
    this.#upcoming.clear();
    this.#assigned = this.#revision;
    for (const { reject } of writes) reject(error);
  }

  /** Called by the hub in the moment of registration, so that what it publishes from then on continues this. */
  async #history(prefix: string, fromRevision: Revision): Promise<WatchBatch> {
    const until = this.#revision;
    if (fromRevision <= this.#compacted) throw new CompactedError(fromRevision, this.#compacted + 1);
    if (fromRevision > until) return { events: [], revision: until };
    const rows = await this.#worker.ask({ kind: 'history', prefix, from: fromRevision, until });
    return { events: rows.map(eventOf), revision: until };
  }

  #checkRevision(asked: Revision): void {
    checkReadable(asked, { newest: this.#revision, compacted: this.#compacted });
  }
}

function entryOf({ key, value, revision, createRevision }: LogRow): StoredEntry {
  return { key, value: value!, createRevision, modRevision: revision };
}

function eventOf(row: HistoryRow): StoreEvent {
  const { key, value, revision, createRevision, previousValue, previousRevision } = row;
  const previous = previousValue ? { value: previousValue, revision: previousRevision! } : undefined;
  const base = { key, revision, createRevision, ...(previous && { previous }) };
  return value ? { type: 'put', ...base, value } : { type: 'delete', ...base, value: previousValue! };
}
