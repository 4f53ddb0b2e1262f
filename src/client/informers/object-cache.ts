/** Objects by key, with indexes that follow every change. */
import { type KubeObject, keyOf } from '../../api/meta.ts';

export type IndexFunction<T> = (object: T) => readonly string[];

interface Index<T> {
  valuesOf: IndexFunction<T>;
  buckets: Map<string, Map<string, T>>;
}

const nothing: readonly never[] = [];
const namespaceIndex = '(namespace)';
const byNamespace = (object: KubeObject) => [object.metadata.namespace ?? ''];

export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  get size(): number {
    return this.#objects.size;
  }

  values(): Iterable<T> {
    return this.#objects.values();
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  inNamespace(namespace: string): Iterable<T> {
    // Built on first use: most caches are never read by namespace.
    if (!this.#indexes.has(namespaceIndex)) this.addIndex(namespaceIndex, byNamespace);
    return this.byIndex(namespaceIndex, namespace);
  }

  byIndex(name: string, value: string): Iterable<T> {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`there is no index ${name}`);
    return index.buckets.get(value)?.values() ?? nothing;
  }

  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    const present = this.#indexes.get(name);
    if (present?.valuesOf === valuesOf) return;
    if (present) throw new Error(`another index ${name} is there already`);
    const index: Index<T> = { valuesOf, buckets: new Map() };
    for (const [key, object] of this.#objects) insertAll(index, key, object, valuesOf(object));
    this.#indexes.set(name, index);
  }

  /** Stores the object; returns the previous one. `key` is the object's own, for callers that already have it. */
  put(object: T, key = keyOf(object)): T | undefined {
    const old = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) {
      const values = index.valuesOf(object);
      if (old) removeAll(index, key, index.valuesOf(old), values);
      insertAll(index, key, object, values);
    }
    return old;
  }

  delete(key: string): T | undefined {
    const old = this.#objects.get(key);
    if (!old) return undefined;
    this.#objects.delete(key);
    for (const index of this.#indexes.values()) removeAll(index, key, index.valuesOf(old), nothing);
    return old;
  }
}

function insertAll<T>(index: Index<T>, key: string, object: T, values: readonly string[]): void {
  for (const value of values) {
    let bucket = index.buckets.get(value);
    if (!bucket) {
      bucket = new Map();
      index.buckets.set(value, bucket);
    }
    bucket.set(key, object);
  }
}

/** `kept`: values that the key has afterwards too, as with most changes. */
function removeAll<T>(
  index: Index<T>,
  key: string,
  values: readonly string[],
  kept: readonly string[],
): void {
  for (const value of values) {
    if (kept.includes(value)) continue;
    const bucket = index.buckets.get(value);
    bucket?.delete(key);
    if (bucket?.size === 0) index.buckets.delete(value);
  }
}
