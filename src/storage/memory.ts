/** The store in memory: for tests and for `--simulate`. Keeps history until it is compacted. */
import { CurrentEntries } from './current-entries.ts';
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
} from './store.ts';
import { checkReadable, creation, removal, replacement } from './store-events.ts';
import { WatchHub } from './watch-hub.ts';

export function createMemoryStore(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  readonly #current = new CurrentEntries();
  readonly #hub = new WatchHub();
  /** Every change with a revision above {@link #compacted}, ascending and without gaps. */
  #log: StoreEvent[] = [];
  #revision: Revision = 1;
  #compacted: Revision = 0;
  /** The state as of {@link #compacted}, from which older states are rebuilt. */
  #base = new Map<string, StoredEntry>();

  async get(key: string, options: { revision?: Revision } = {}) {
    const revision = this.#checkRevision(options.revision);
    const entry = revision === this.#revision ? this.#current.get(key) : this.#stateAt(revision).get(key);
    return { entry, revision };
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const revision = this.#checkRevision(options.revision);
    return (revision === this.#revision ? this.#current : this.#stateAt(revision)).list(
      prefix,
      options,
      revision,
    );
  }

  async create(key: string, value: Uint8Array): Promise<WriteResult> {
    const current = this.#current.get(key);
    if (current) return { ok: false, current };
    return this.#commit(creation(key, value, this.#revision + 1));
  }

  async update(key: string, value: Uint8Array, expected: Revision): Promise<WriteResult> {
    const current = this.#current.get(key);
    if (current?.modRevision !== expected) return { ok: false, current };
    return this.#commit(replacement(current, value, this.#revision + 1));
  }

  async delete(key: string, expected: Revision): Promise<WriteResult> {
    const current = this.#current.get(key);
    if (current?.modRevision !== expected) return { ok: false, current };
    return this.#commit(removal(current, this.#revision + 1));
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
    const cut = until - this.#firstLogged() + 1;
    for (const event of this.#log.slice(0, cut)) applyTo(this.#base, event);
    this.#log = this.#log.slice(cut);
    this.#compacted = until;
  }

  async sizeBytes(): Promise<number> {
    return this.#current.sizeBytes;
  }

  async close(): Promise<void> {
    this.#hub.close(new StoreUnavailableError('the store is closed'));
  }

  #commit(event: StoreEvent): WriteResult {
    this.#revision = event.revision;
    this.#log.push(event);
    this.#current.apply(event);
    this.#hub.publish([event], event.revision);
    return { ok: true, revision: event.revision };
  }

  /** Called by the hub in the moment of registration: what it publishes from then on continues this without a gap. */
  async #history(prefix: string, fromRevision: Revision): Promise<WatchBatch> {
    if (fromRevision <= this.#compacted) throw new CompactedError(fromRevision, this.#compacted + 1);
    const start = Math.max(0, fromRevision - this.#firstLogged());
    const events = this.#log.slice(start).filter((event) => event.key.startsWith(prefix));
    return { events, revision: this.#revision };
  }

  #firstLogged(): Revision {
    return this.#revision - this.#log.length + 1;
  }

  #checkRevision(asked: Revision | undefined): Revision {
    if (asked === undefined) return this.#revision;
    checkReadable(asked, { newest: this.#revision, compacted: this.#compacted });
    return asked;
  }

  #stateAt(revision: Revision): CurrentEntries {
    const state = new Map(this.#base);
    for (const event of this.#log) if (event.revision <= revision) applyTo(state, event);
    const entries = new CurrentEntries();
    for (const entry of state.values()) entries.put(entry);
    return entries;
  }
}

function applyTo(state: Map<string, StoredEntry>, event: StoreEvent): void {
  const { key, value, createRevision, revision } = event;
  if (event.type === 'put') state.set(key, { key, value, createRevision, modRevision: revision });
  else state.delete(key);
}
