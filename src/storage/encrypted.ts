/**
 * A store whose values under some prefixes are encrypted before the store below sees them (AES-256-GCM, bound to their
 * key, so that a value copied to another key does not decrypt). Values written before encryption was enabled are read
 * as they are.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type {
  ListOptions,
  ListResult,
  Revision,
  Store,
  StoredEntry,
  StoreEvent,
  WatchBatch,
  WatchOptions,
  WriteResult,
} from './store.ts';

export interface EncryptionKey {
  /** Stored with each value, so that values of old keys can be read after a rotation. No colon. */
  name: string;
  /** 32 bytes. */
  secret: Uint8Array;
}

export interface EncryptionOptions {
  /** The first key writes; all of them read. */
  keys: readonly EncryptionKey[];
  /** Prefixes of keys whose values are encrypted, e.g. `/registry/secrets/`. */
  prefixes: readonly string[];
}

/** A stored value could not be decrypted: a key is missing, or the value was tampered with. */
export class DecryptionError extends Error {
  constructor(key: string, why: string, options?: ErrorOptions) {
    super(`cannot decrypt ${key}: ${why}`, options);
    this.name = 'DecryptionError';
  }
}

const envelope = 'wherry:enc:aesgcm:v1:';
const secretBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

export function encryptedStore(store: Store, options: EncryptionOptions): Store {
  return new EncryptedStore(store, options);
}

/** The key is known, but the value does not fit it: a fault of one object, not of the server's configuration. */
class DamagedValueError extends DecryptionError {}

/**
 * Rewrites what is under the prefixes and not written with the first key yet; damaged values stay. Returns how many values
 * that were.
 */
export async function reencryptAll(store: Store, options: EncryptionOptions): Promise<number> {
  const cipher = new ValueCipher(options);
  let rewritten = 0;
  for (const prefix of options.prefixes) {
    for (const entry of (await store.list(prefix)).entries) {
      if (cipher.isCurrent(entry.value)) continue;
      const plain = unlessDamaged(() => cipher.decrypt(entry.key, entry.value));
      if (!plain) continue;
      const value = cipher.encrypt(entry.key, plain);
      const result = await store.update(entry.key, value, entry.modRevision);
      // A writer in between used the first key.
      if (result.ok) rewritten++;
    }
  }
  return rewritten;
}

function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DamagedValueError) return undefined;
    throw error;
  }
}

/** Where many values are read at once, a damaged one is returned as stored: it is no valid object, and the others are still served. */
class EncryptedStore implements Store {
  readonly #store: Store;
  readonly #cipher: ValueCipher;

  constructor(store: Store, options: EncryptionOptions) {
    this.#store = store;
    this.#cipher = new ValueCipher(options);
  }

  async get(key: string, options?: { revision?: Revision }) {
    const { entry, revision } = await this.#store.get(key, options);
    return { entry: entry && this.#plainEntry(entry), revision };
  }

  async list(prefix: string, options?: ListOptions): Promise<ListResult> {
    const result = await this.#store.list(prefix, options);
    return {
      ...result,
      entries: result.entries.map((entry) => unlessDamaged(() => this.#plainEntry(entry)) ?? entry),
    };
  }

  async create(key: string, value: Uint8Array): Promise<WriteResult> {
    return this.#plainResult(await this.#store.create(key, this.#cipher.encrypt(key, value)));
  }

  async update(key: string, value: Uint8Array, expected: Revision): Promise<WriteResult> {
    return this.#plainResult(await this.#store.update(key, this.#cipher.encrypt(key, value), expected));
  }

  async delete(key: string, expected: Revision): Promise<WriteResult> {
    return this.#plainResult(await this.#store.delete(key, expected));
  }

  async *watch(prefix: string, options: WatchOptions): AsyncGenerator<WatchBatch, void, undefined> {
    for await (const { events, revision } of this.#store.watch(prefix, options)) {
      yield {
        events: events.map((event) => this.#plainEvent(event)),
        revision,
      };
    }
  }

  currentRevision(): Promise<Revision> {
    return this.#store.currentRevision();
  }
  get compacted(): Revision {
    return this.#store.compacted;
  }

  compact(revision: Revision): Promise<void> {
    return this.#store.compact(revision);
  }
  sizeBytes(): Promise<number> {
    return this.#store.sizeBytes();
  }
  close(): Promise<void> {
    return this.#store.close();
  }

  #plainEntry(entry: StoredEntry): StoredEntry {
    const value = this.#cipher.decrypt(entry.key, entry.value);
    return value === entry.value ? entry : { ...entry, value };
  }

  #plainResult(result: WriteResult): WriteResult {
    return result.ok || !result.current ? result : { ok: false, current: this.#plainEntry(result.current) };
  }

  #plainEvent(event: StoreEvent): StoreEvent {
    if (!this.#cipher.covers(event.key)) return event;
    const { key, previous } = event;
    const plain = (value: Uint8Array) => unlessDamaged(() => this.#cipher.decrypt(key, value)) ?? value;
    return {
      ...event,
      value: plain(event.value),
      ...(previous && { previous: { ...previous, value: plain(previous.value) } }),
    };
  }
}

class ValueCipher {
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  readonly #writingKey: EncryptionKey;
  /** What values of the writing key begin with. */
  readonly #header: Buffer;
  readonly #prefixes: readonly string[];

  constructor({ keys, prefixes }: EncryptionOptions) {
    const first = keys[0];
    if (!first) throw new Error('encryption needs at least one key');
    for (const { name, secret } of keys) {
      if (name.includes(':')) throw new Error(`the name of encryption key ${name} contains a colon`);
      if (secret.byteLength !== secretBytes)
        throw new Error(`encryption key ${name} is not ${secretBytes} bytes long`);
    }
    this.#writingKey = first;
    this.#header = Buffer.from(`${envelope}${first.name}:`);
    this.#keys = new Map(keys.map(({ name, secret }) => [name, secret]));
    this.#prefixes = prefixes;
  }

  covers(key: string): boolean {
    return this.#prefixes.some((prefix) => key.startsWith(prefix));
  }

  isCurrent(value: Uint8Array): boolean {
    return Buffer.from(value.subarray(0, this.#header.length)).equals(this.#header);
  }

  encrypt(key: string, value: Uint8Array): Uint8Array {
    if (!this.covers(key)) return value;
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#writingKey.secret, nonce).setAAD(Buffer.from(key));
    const body = [cipher.update(value), cipher.final()];
    return Buffer.concat([this.#header, nonce, ...body, cipher.getAuthTag()]);
  }

  decrypt(key: string, stored: Uint8Array): Uint8Array {
    if (!this.covers(key)) return stored;
    const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
    if (bytes.toString('latin1', 0, envelope.length) !== envelope) return stored;
    const nameEnd = bytes.indexOf(':', envelope.length);
    const name = bytes.toString('utf8', envelope.length, nameEnd);
    const secret = this.#keys.get(name);
    if (!secret) throw new DecryptionError(key, `the encryption key ${name} is not configured`);
    const body = bytes.subarray(nameEnd + 1);
    if (body.length < nonceBytes + tagBytes)
      throw new DamagedValueError(key, 'the stored value is cut short');
    const decipher = createDecipheriv('aes-256-gcm', secret, body.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(Buffer.from(key))
      .setAuthTag(body.subarray(body.length - tagBytes));
    try {
      return Buffer.concat([
        decipher.update(body.subarray(nonceBytes, body.length - tagBytes)),
        decipher.final(),
      ]);
    } catch (cause) {
      throw new DamagedValueError(key, 'the stored value or its key was changed', { cause });
    }
  }
}
