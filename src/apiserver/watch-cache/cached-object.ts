/** One version of a stored object in memory: its JSON bytes, built once, and its decoded form, built on demand. */
import type { KubeObject } from '../../api/meta.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import { inOneGo } from '../../base/async/turns.ts';
import { deepFreeze } from '../../base/collections/deep-freeze.ts';
import { readExactJson } from '../../base/text/exact-json.ts';
import { type Encoded, encodeObject, type Layout, reencodeObject } from './object-encoding.ts';

/** Where a stored value's metadata begins; kind and apiVersion stand before it and cannot contain this text. */
const metadataMark = Buffer.from('"metadata":{');
const apiVersionText = /"apiVersion":"([^"]*)"/;
const closingBrace = 0x7d;
const comma = 0x2c;
const newline = 0x0a;
const lineEnd = Buffer.from([newline]);
const decoder = new TextDecoder();

/**
 * What was just written, kept with the bytes that were handed to the store: spares parsing them again. A weak map of so
 * many short-lived objects would cost more than it saves.
 */
const justWritten = Symbol('just written');

interface WrittenBytes extends Buffer {
  [justWritten]?: ({ object: KubeObject } & Encoded) | undefined;
}

/** Fills in defaults that were unknown when the object was stored. Changes the object. */
export type Completion = (object: KubeObject) => void;

/** By path: `spec.nodeName`. */
export type FieldValues = Readonly<Record<string, string>>;

interface Decoded {
  object: KubeObject;
  hasBigints: boolean;
}

interface CachedObjectOptions {
  isOutdated?: boolean;
  /** Of what this process has not written itself. */
  completion?: Completion | undefined;
}

export class CachedObject {
  /** `namespace/name`, or `name` for a cluster-scoped object. */
  readonly key: string;
  /** Revision of the write that created this version; clients know it as resourceVersion. */
  readonly revision: number;
  /** Bytes of the stored value. Never changes, so that sums of it can be kept. */
  readonly sizeBytes: number;
  /** As the store has it, and shared with it. Undefined once {@link bytes} were requested: one copy is enough. */
  #stored: Buffer | undefined;
  #bytes: Buffer | undefined;
  #metadataAt: number;
  #isOutdated: boolean;
  readonly #completion: Completion | undefined;
  #isComplete: boolean;
  /** Of what was written by this process. */
  #layout: Layout | undefined;
  #decoded: WeakRef<KubeObject> | undefined;
  /** Known once it has been decoded. */
  #hasBigints: boolean | undefined;
  /** Renderings of this object in other versions or formats; see {@link CachedObject.form}. */
  #forms: Map<unknown, WeakRef<object>> | undefined;
  /** Forms that were too dear to make again. */
  #keptForms: Map<unknown, object> | undefined;
  #answer: { asker: object; value: boolean } | undefined;
  #fields: { asker: object; values: FieldValues } | undefined;

  constructor(key: string, revision: number, value: Uint8Array, options: CachedObjectOptions = {}) {
    this.key = key;
    this.#isOutdated = options.isOutdated ?? false;
    this.revision = revision;
    this.sizeBytes = value.byteLength;
    this.#stored = asBuffer(value);
    const written = (value as WrittenBytes)[justWritten];
    this.#metadataAt = written ? written.layout.metadata : this.#stored.indexOf(metadataMark);
    if (this.#metadataAt < 0) throw new Error(`the stored value of ${key} is not an object of the API`);
    this.#completion = written ? undefined : options.completion;
    this.#isComplete = !this.#completion;
    if (!written) return;
    (value as WrittenBytes)[justWritten] = undefined;
    this.#decoded = new WeakRef(frozenAt(written.object, revision));
    this.#hasBigints = written.hasBigints;
    this.#layout = written.layout;
  }

  /** The stored version's JSON, with its resourceVersion. Built when a client outside of this process first asks. */
  get bytes(): Buffer {
    if (this.#bytes) return this.#bytes;
    this.#complete();
    this.#bytes = withVersion(this.#stored!, this.#metadataAt, this.revision);
    this.#stored = undefined;
    return this.#bytes;
  }

  /** {@link bytes} with a line end, in the same memory. */
  get line(): Buffer {
    const { bytes } = this;
    // What was never stored is as it was given.
    if (this.revision === 0) return Buffer.concat([bytes, lineEnd]);
    return asBuffer(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length + 1));
  }

  /** Where `"metadata"` starts within {@link bytes}: items of typed lists omit what precedes it. */
  get metadataAt(): number {
    this.#complete();
    return this.#metadataAt;
  }

  /** It is stored in another version than today's, or without one of today's defaults: every update rewrites it. */
  get isOutdated(): boolean {
    this.#complete();
    return this.#isOutdated;
  }

  /** Decoded, shared and frozen. */
  get object(): KubeObject {
    return this.#decoded?.deref() ?? inOneGo(this.objectInSteps());
  }

  /** {@link object}, of a state that may be large: whoever asks for the steps may let others run between them. */
  *objectInSteps(): Generator<void, KubeObject> {
    const known = this.#decoded?.deref();
    if (known) return known;
    const { object, hasBigints } = this.#complete() ?? this.#decode();
    yield;
    const madeMeanwhile = this.#decoded?.deref();
    if (madeMeanwhile) return madeMeanwhile;
    this.#decoded = new WeakRef(deepFreeze(object));
    this.#hasBigints = hasBigints;
    return object;
  }

  /** Of {@link object}, which need not be decoded for it. */
  get apiVersion(): string {
    const head = decoder.decode((this.#bytes ?? this.#stored)!.subarray(0, this.metadataAt));
    return apiVersionText.exec(head)![1]!;
  }

  /** Whether whole numbers of {@link object} are bigints, since numbers would lose their last digits. */
  get hasBigints(): boolean {
    // Asking for the decoded form is what finds out.
    if (this.#hasBigints === undefined) void this.object;
    return this.#hasBigints!;
  }

  /** An own copy, free to change. */
  copy(): KubeObject {
    this.#complete();
    return this.#decode().object;
  }

  /** The bytes as the store holds them: without the resourceVersion. */
  storedValue(): Buffer {
    this.#complete();
    return this.#stored ?? withoutVersion(this.#bytes!, this.#metadataAt);
  }

  /**
   * The next state in bytes, built from these where it shares parts; undefined when it does not, or too little is
   * known.
   */
  reencoded(next: KubeObject): Encoded | undefined {
    const layout = this.#layout;
    if (!layout) return undefined;
    const { object, hasBigints } = this;
    return reencodeObject(next, { object, hasBigints, layout, value: this.storedValue() });
  }

  /** The same state under another revision: what watchers get when the object has left their selection or is gone. */
  at(revision: number, stored: Uint8Array = this.storedValue()): CachedObject {
    const moved = new CachedObject(this.key, revision, stored, { completion: this.#completion });
    const decoded = this.#decoded?.deref();
    // Its parts are already frozen: only the metadata are rebuilt.
    if (decoded) {
      moved.#decoded = new WeakRef(frozenAt(decoded, revision));
      moved.#hasBigints = this.#hasBigints;
    }
    return moved;
  }

  /**
   * On the first access, adds the defaults of today that the stored object lacks, so that readers see what a write would
   * store. Objects that this process wrote have them. Returns the object, if it had to be decoded for that.
   */
  #complete(): Decoded | undefined {
    if (this.#isComplete) return undefined;
    this.#isComplete = true;
    const stored = this.#stored!;
    const decoded = this.#decode();
    this.#completion!(decoded.object);
    const value = encodeForStore(decoded.object);
    // The same object may have been stored with its fields in another order.
    if (!value.equals(stored) && !equalJson(decoded.object, this.#decode().object)) {
      this.#stored = value;
      this.#metadataAt = value.indexOf(metadataMark);
      this.#isOutdated = true;
    }
    return decoded;
  }

  #decode(): Decoded {
    const { value, hasBigints } = readExactJson(decoder.decode(this.#bytes ?? this.#stored));
    const object = value as KubeObject;
    if (this.#bytes) return { object, hasBigints };
    const { metadata } = object as { metadata: Omit<KubeObject['metadata'], 'resourceVersion'> };
    if (this.revision !== 0) object.metadata = { resourceVersion: String(this.revision), ...metadata };
    return { object, hasBigints };
  }

  /** The answer of `ask()` for `asker`, cached until another asker comes. */
  knownFor(asker: object, ask: () => boolean): boolean {
    if (this.#answer?.asker !== asker) this.#answer = { asker, value: ask() };
    return this.#answer.value;
  }

  /** What `read()` finds in it for `asker`, cached until another asker comes: each watch by fields asks for the same. */
  fieldsFor(asker: object, read: () => FieldValues): FieldValues {
    if (this.#fields?.asker !== asker) this.#fields = { asker, values: read() };
    return this.#fields.values;
  }

  /** The result of `make()` under `key`, cached while it is in use: an object of another version, for instance. */
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

  /** The result of {@link CachedObject.form} under `key`, for as long as this object lives. */
  keepForm(key: unknown, form: object): void {
    this.#keptForms ??= new Map();
    this.#keptForms.set(key, form);
  }
}

/** The same memory. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A line end follows in memory. What was never stored (revision 0) has neither that nor a version. */
function withVersion(stored: Buffer, metadataAt: number, revision: number): Buffer {
  if (revision === 0) return stored;
  const insertAt = metadataAt + metadataMark.length;
  const inserted = `"resourceVersion":"${revision}"${stored[insertAt] === closingBrace ? '' : ','}`;
  const length = stored.length + inserted.length;
  const bytes = Buffer.allocUnsafe(length + 1);
  stored.copy(bytes, 0, 0, insertAt);
  bytes.write(inserted, insertAt, 'latin1');
  stored.copy(bytes, insertAt + inserted.length, insertAt);
  bytes[length] = newline;
  return bytes.subarray(0, length);
}

function withoutVersion(bytes: Buffer, metadataAt: number): Buffer {
  const from = metadataAt + metadataMark.length;
  let until = bytes.indexOf('"', from + '"resourceVersion":"'.length) + 1;
  if (bytes[until] === comma) until++;
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(until)]);
}

function frozenAt(object: KubeObject, revision: number): KubeObject {
  const metadata = { ...object.metadata };
  if (revision !== 0) metadata.resourceVersion = String(revision);
  return deepFreeze({ ...object, metadata });
}

/**
 * The bytes under which an object is stored: kind and apiVersion first, then metadata without its resourceVersion.
 * The object must not be changed afterwards; its decoded form is shared with readers.
 */
export function encodeForStore(object: KubeObject): Buffer {
  return encodeObject(object).value;
}

/**
 * As {@link encodeForStore}, and keeps the object for the reader that will ask for it right away. Parts shared with the
 * state `before` are taken over literally.
 */
export function encodeAndShare(object: KubeObject, before?: CachedObject): Buffer {
  const encoded = before?.reencoded(object) ?? encodeObject(object);
  const value: WrittenBytes = encoded.value;
  value[justWritten] = { object, ...encoded };
  return value;
}
