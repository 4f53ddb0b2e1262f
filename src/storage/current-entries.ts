/** The newest committed entry of every key, in order: what reads without a revision are answered from. */
import { SortedKeys } from '../base/collections/sorted-keys.ts';
import type { ListOptions, ListResult, Revision, StoredEntry, StoreEvent } from './store.ts';

export class CurrentEntries {
  readonly #entries = new Map<string, StoredEntry>();
  #keys = new SortedKeys();
  #bytes = 0;

  /** `entries`: of different keys, in any order. */
  static of(entries: readonly StoredEntry[]): CurrentEntries {
    const made = new CurrentEntries();
    for (const entry of entries) {
      made.#entries.set(entry.key, entry);
      made.#bytes += entry.value.byteLength;
    }
    made.#keys = SortedKeys.of(made.#entries.keys());
    return made;
  }

  get(key: string): StoredEntry | undefined {
    return this.#entries.get(key);
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  put(entry: StoredEntry): void {
    const old = this.#entries.get(entry.key);
    this.#bytes += entry.value.byteLength - (old?.value.byteLength ?? 0);
    this.#entries.set(entry.key, entry);
    if (!old) this.#keys.add(entry.key);
  }

  apply(event: StoreEvent): void {
    const { key, value, createRevision, revision } = event;
    if (event.type === 'put') {
      this.put({ key, value, createRevision, modRevision: revision });
      return;
    }
    this.#bytes -= this.#entries.get(key)?.value.byteLength ?? 0;
    this.#entries.delete(key);
    this.#keys.delete(key);
  }

  /** Keys that start with `prefix` and come after `after`. */
  count(prefix: string, after?: string): number {
    return this.#keys.countWithPrefix(prefix, after);
  }

  list(prefix: string, options: ListOptions, revision: Revision): ListResult {
    const { limit = Number.POSITIVE_INFINITY, after } = options;
    const entries: StoredEntry[] = [];
    for (const key of this.#keys.withPrefix(prefix, after)) {
      if (entries.length === limit)
        return { entries, revision, more: true, remaining: this.count(prefix, entries.at(-1)?.key ?? after) };
      entries.push(this.#entries.get(key)!);
    }
    return { entries, revision, more: false };
  }
}
