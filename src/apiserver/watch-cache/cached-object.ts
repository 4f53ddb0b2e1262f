/** One version of a stored object in memory: its JSON bytes, made once, and its decoded form, made when somebody asks. */
import type { KubeObject } from '../../api/meta.ts';
import { parseExactJson, readExactJson, writeExactJson } from '../../base/exact-json.ts';

/** Where a stored value's metadata begins; kind and apiVersion stand before it and cannot contain this text. */
const metadataMark = Buffer.from('"metadata":{');
const decoder = new TextDecoder();

/** Objects that were just written, by the bytes that were handed to the store: spares parsing them again. */
const justWritten = new WeakMap<Uint8Array, { object: KubeObject; hasBigints: boolean }>();

export class CachedObject {
  /** `namespace/name`, or `name` for a cluster-scoped object. */
  readonly key: string;
  /** Revision of the write that made this version; clients know it as resourceVersion. */
  readonly revision: number;
  /** The stored version's JSON, with its resourceVersion. */
  readonly bytes: Buffer;
  /** Where `"metadata"` starts within {@link bytes}: items of typed lists leave out what stands before. */
  readonly metadataAt: number;
  /** The store holds it in another version than today's: every update writes it anew. */
  readonly isOutdated: boolean;
  #decoded: WeakRef<KubeObject> | undefined;
  /** Known once it has been decoded. */
  #hasBigints = false;
  /** What this object looks like in other versions or formats; see {@link CachedObject.form}. */
  #forms: Map<unknown, WeakRef<object>> | undefined;
  /** Forms that were too dear to make again. */
  #keptForms: Map<unknown, object> | undefined;
  #answer: { asker: object; value: boolean } | undefined;

  constructor(key: string, revision: number, value: Uint8Array, options: { isOutdated?: boolean } = {}) {
    this.key = key;
    this.isOutdated = options.isOutdated ?? false;
    this.revision = revision;
    const stored = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.metadataAt = stored.indexOf(metadataMark);
    if (this.metadataAt < 0) throw new Error(`the stored value of ${key} is not an object of the API`);
    const insertAt = this.metadataAt + metadataMark.length;
    const inserted = `"resourceVersion":"${revision}"${stored[insertAt] === 0x7d ? '' : ','}`;
    const bytes = Buffer.allocUnsafe(stored.length + inserted.length);
    stored.copy(bytes, 0, 0, insertAt);
    bytes.write(inserted, insertAt, 'latin1');
    stored.copy(bytes, insertAt + inserted.length, insertAt);
    this.bytes = bytes;
    const written = justWritten.get(value);
    if (!written) return;
    justWritten.delete(value);
    const metadata = { ...written.object.metadata, resourceVersion: String(revision) };
    this.#decoded = new WeakRef(deepFreeze({ ...written.object, metadata }));
    this.#hasBigints = written.hasBigints;
  }

  /** Decoded, shared and frozen. */
  get object(): KubeObject {
    const known = this.#decoded?.deref();
    if (known) return known;
    const { value, hasBigints } = readExactJson(decoder.decode(this.bytes));
    const decoded = deepFreeze(value as KubeObject);
    this.#decoded = new WeakRef(decoded);
    this.#hasBigints = hasBigints;
    return decoded;
  }

  /** Whether whole numbers of {@link object} are bigints, since numbers would lose their last digits. */
  get hasBigints(): boolean {
    // Asking for the decoded form is what finds out.
    void this.object;
    return this.#hasBigints;
  }

  /** An own copy, free to change. */
  copy(): KubeObject {
    return parseExactJson(decoder.decode(this.bytes)) as KubeObject;
  }

  /** The bytes as the store holds them: without the resourceVersion. */
  storedValue(): Buffer {
    const from = this.metadataAt + metadataMark.length;
    let until = this.bytes.indexOf('"', from + '"resourceVersion":"'.length) + 1;
    if (this.bytes[until] === 0x2c) until++;
    return Buffer.concat([this.bytes.subarray(0, from), this.bytes.subarray(until)]);
  }

  /** The same state under another revision: what a watcher is told when the object left its selection or is gone. */
  at(revision: number): CachedObject {
    return new CachedObject(this.key, revision, this.storedValue());
  }

  /** The answer of `ask()` for `asker`, which is asked once as long as nobody else asks. */
  knownFor(asker: object, ask: () => boolean): boolean {
    if (this.#answer?.asker !== asker) this.#answer = { asker, value: ask() };
    return this.#answer.value;
  }

  /** `make()`'s result under `key`, remembered while somebody uses it: an object of another version, say. */
  form<T extends object>(key: unknown, make: () => T): T {
    const known = this.#keptForms?.get(key) ?? this.#forms?.get(key)?.deref();
    if (known) return known as T;
    const made = make();
    this.#forms ??= new Map();
    this.#forms.set(key, new WeakRef(made));
    return made;
  }

  hasForm(key: unknown): boolean {
    return this.#keptForms?.has(key) ?? false;
  }

  /** What {@link CachedObject.form} gives under `key` for as long as this object lives. */
  keepForm(key: unknown, form: object): void {
    this.#keptForms ??= new Map();
    this.#keptForms.set(key, form);
  }
}

/**
 * The bytes under which an object is stored: kind and apiVersion first, then metadata without its resourceVersion.
 * The object must not be changed afterwards; its decoded form is shared with readers.
 */
export function encodeForStore(object: KubeObject): Buffer {
  return Buffer.from(writeExactJson(canonicalForm(object)).text);
}

/** As {@link encodeForStore}, and keeps the object for the reader that will ask for it right away. */
export function encodeAndShare(object: KubeObject): Buffer {
  const { text, hasBigints } = writeExactJson(canonicalForm(object));
  const value = Buffer.from(text);
  justWritten.set(value, { object, hasBigints });
  return value;
}

function canonicalForm({ kind, apiVersion, metadata, ...rest }: KubeObject): object {
  const { resourceVersion: _, selfLink: _link, ...meta } = metadata;
  return { kind, apiVersion, metadata: meta, ...rest };
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key in value) deepFreeze(value[key]);
  return value;
}
