/** Entries of the store that no resource serves yet: objects of a kind that is about to be added. */

interface UnclaimedEntry {
  revision: number;
  value: Uint8Array;
}

export class UnclaimedEntries {
  readonly #prefix: string;
  /** By the first part of their keys, so that a resource that is added looks through few of others. */
  readonly #parts = new Map<string, Map<string, UnclaimedEntry>>();

  /** `prefix`: of all keys. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  set(key: string, entry: UnclaimedEntry): void {
    const name = this.#firstPart(key);
    let part = this.#parts.get(name);
    if (!part) {
      part = new Map();
      this.#parts.set(name, part);
    }
    part.set(key, entry);
  }

  delete(key: string): void {
    this.#parts.get(this.#firstPart(key))?.delete(key);
  }

  /** Drops all others. */
  keep(keys: ReadonlySet<string>): void {
    for (const part of this.#parts.values())
      for (const key of part.keys()) if (!keys.has(key)) part.delete(key);
  }

  /** Yields the objects under `prefix`, and drops them here. */
  *take(prefix: string): Generator<[string, UnclaimedEntry], void, undefined> {
    const part = this.#parts.get(this.#firstPart(prefix));
    for (const [key, entry] of part ?? []) {
      if (!key.startsWith(prefix)) continue;
      part!.delete(key);
      yield [key, entry];
    }
  }

  /** `pods` of `/registry/pods/default/x`. */
  #firstPart(key: string): string {
    return key.slice(this.#prefix.length, key.indexOf('/', this.#prefix.length));
  }
}
