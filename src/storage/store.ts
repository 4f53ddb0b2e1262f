/**
 * The store: an ordered map of keys to bytes in which every write has a revision, and whose history can be watched.
 * It knows no kind and no JSON. Keys look like `/registry/pods/default/web-1`.
 * Implementations (memory, sqlite, etcd) pass one contract test: store.contract.ts.
 */

/** A number that grows by one with every committed write of the store (etcd's sense of "revision"). */
export type Revision = number;

export interface StoredEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the write that made the key exist. */
  readonly createRevision: Revision;
  /** Revision of the last write to the key. */
  readonly modRevision: Revision;
}

/** A committed change. A put of a key that existed carries the value before; a delete always does. */
export interface StoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** The new value, or for a delete the last one. */
  readonly value: Uint8Array;
  readonly revision: Revision;
  readonly createRevision: Revision;
  /** Undefined when the put created the key. */
  readonly previous?: { readonly value: Uint8Array; readonly revision: Revision };
}

/** The outcome of a compare-and-swap. Losing is an ordinary value, never an exception. */
export type WriteResult =
  | { readonly ok: true; readonly revision: Revision }
  /** `current`: the present entry; undefined when the key does not exist. */
  | { readonly ok: false; readonly current: StoredEntry | undefined };

export interface ListOptions {
  /** Read as of this revision; the newest when absent. */
  revision?: Revision;
  /** The largest number of entries. */
  limit?: number;
  /** Only keys that sort strictly after this one. */
  after?: string;
}

export interface ListResult {
  readonly entries: readonly StoredEntry[];
  /** The revision that the list shows. */
  readonly revision: Revision;
  /** True when `limit` cut the list. */
  readonly more: boolean;
  /** Entries that `limit` cut off; undefined when the store does not know without counting. */
  readonly remaining?: number;
}

export interface WatchOptions {
  /** The first revision to deliver; events before it are history. Only what comes from now on when absent. */
  fromRevision?: Revision;
  signal: AbortSignal;
}

/** A batch of changes in order of revision, or news that everything up to `revision` was delivered. */
export interface WatchBatch {
  readonly events: readonly StoreEvent[];
  /** Every event of the prefix with a revision up to this one has been delivered. */
  readonly revision: Revision;
}

export interface Store {
  get(
    key: string,
    options?: { revision?: Revision },
  ): Promise<{ entry: StoredEntry | undefined; revision: Revision }>;
  /** All keys that start with `prefix`, ascending. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /** Resolves after the write is durable. Loses when the key exists. */
  create(key: string, value: Uint8Array): Promise<WriteResult>;
  /** Loses unless the key's `modRevision` is `expected`. */
  update(key: string, value: Uint8Array, expected: Revision): Promise<WriteResult>;
  /** Loses unless the key's `modRevision` is `expected`. */
  delete(key: string, expected: Revision): Promise<WriteResult>;
  /**
   * Changes of the keys under `prefix`: none lost, doubled or reordered. Ends when the signal aborts.
   * @throws {CompactedError} when `fromRevision` is older than the kept history.
   * @throws {SlowWatcherError} when the reader falls behind by more than the store's limit.
   */
  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch>;
  /** The revision of the newest committed write. */
  currentRevision(): Promise<Revision>;
  /** Forgets history before `revision`: exact reads and watches from before it fail from then on. */
  compact(revision: Revision): Promise<void>;
  /** What was last forgotten so, as far as this process knows: exact reads from before it fail. 0: nothing. */
  readonly compacted: Revision;
  /** Bytes on disk or in memory, for metrics. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

/** A revision was asked for that history no longer holds. */
export class CompactedError extends Error {
  readonly requested: Revision;
  readonly oldest: Revision;
  constructor(requested: Revision, oldest: Revision) {
    super(`required revision ${requested} has been compacted; the oldest is ${oldest}`);
    this.name = 'CompactedError';
    this.requested = requested;
    this.oldest = oldest;
  }
}

/** A revision was asked for that no write has reached yet. */
export class FutureRevisionError extends Error {
  readonly requested: Revision;
  readonly current: Revision;
  constructor(requested: Revision, current: Revision) {
    super(`required revision ${requested} is a future revision; the newest is ${current}`);
    this.name = 'FutureRevisionError';
    this.requested = requested;
    this.current = current;
  }
}

/** A watcher did not read fast enough and was cut off; it must list again. */
export class SlowWatcherError extends Error {
  constructor() {
    super('the watcher fell behind and was cut off');
    this.name = 'SlowWatcherError';
  }
}

/** The store cannot answer now, and whether a write took place may be unknown; the caller may try again. */
export class StoreUnavailableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreUnavailableError';
  }
}
