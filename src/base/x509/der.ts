/** ASN.1 in DER, read as strictly as Go's library reads it, and refused in its words. */
import { isUtf8 } from 'node:buffer';

export class DerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DerError';
  }
}

export function syntaxError(message: string): DerError {
  return new DerError(`asn1: syntax error: ${message}`);
}

function structuralError(message: string): DerError {
  return new DerError(`asn1: structure error: ${message}`);
}

export interface DerHead {
  /** 0: universal, 2: specific to its context. */
  class: number;
  tag: number;
  isCompound: boolean;
  length: number;
}

export interface DerValue extends DerHead {
  content: Uint8Array;
  /** With its head. */
  full: Uint8Array;
}

/** What a value has to be. `name` is that of its type in messages. */
export interface DerKind {
  tag: number;
  class?: number;
  isCompound?: boolean;
  name?: string;
}

const universal = 0;
export const contextSpecific = 2;

export const derKinds = {
  boolean: { tag: 1, name: 'bool' },
  integer: { tag: 2, name: 'int' },
  bits: { tag: 3, name: 'BitString' },
  octets: { tag: 4 },
  oid: { tag: 6, name: 'ObjectIdentifier' },
} satisfies Record<string, DerKind>;

export function sequence(name = ''): DerKind {
  return { tag: 16, isCompound: true, name };
}

export function setKind(name = ''): DerKind {
  return { tag: 17, isCompound: true, name };
}

/** The values of a content, one after the other. What follows the last one that is asked for is allowed. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws DerError */
  any(): DerValue {
    return this.#read(() => undefined)!;
  }

  /** @throws DerError when the next one is none of `kind` */
  value(kind: DerKind): DerValue {
    return this.#read((head, at) => {
      if (!isOfKind(head, kind)) throw structuralError(mismatch(head, kind, at));
    })!;
  }

  /** The next one if it is of `kind`. @throws DerError when there is none that could be read */
  optional(kind: DerKind): DerValue | undefined {
    if (this.isAtEnd || !isOfKind(readHead(this.#bytes, this.#at).head, kind)) return undefined;
    return this.any();
  }

  /** All that are left; each of `kind`, if there is one. @throws DerError */
  rest(kind?: DerKind): DerValue[] {
    // All heads are looked at before the first value.
    for (let at = this.#at; at < this.#bytes.length; ) {
      const { head, next } = readHead(this.#bytes, at);
      if (kind && !isOfKind(head, kind)) throw structuralError('sequence tag mismatch');
      if (next + head.length > this.#bytes.length) throw syntaxError('truncated sequence');
      at = next + head.length;
    }
    const values: DerValue[] = [];
    while (!this.isAtEnd) values.push(this.any());
    return values;
  }

  #read(check: (head: DerHead, at: number) => void): DerValue {
    const bytes = this.#bytes;
    if (this.isAtEnd) throw syntaxError('sequence truncated');
    const { head, next } = readHead(bytes, this.#at);
    check(head, next);
    const stop = next + head.length;
    if (stop > bytes.length) throw syntaxError('data truncated');
    const value = { ...head, content: bytes.subarray(next, stop), full: bytes.subarray(this.#at, stop) };
    this.#at = stop;
    return value;
  }
}

function isOfKind(head: DerHead, { tag, class: wanted = universal, isCompound = false }: DerKind): boolean {
  return head.class === wanted && head.tag === tag && head.isCompound === isCompound;
}

/** As Go prints the structures that it compares. */
function mismatch(head: DerHead, { tag, name = '' }: DerKind, at: number): string {
  const found = `{class:${head.class} tag:${head.tag} length:${head.length} isCompound:${head.isCompound}}`;
  const wanted =
    '{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false}';
  return `tags don't match (${tag} vs ${found}) ${wanted} ${name} @${at}`;
}

const longTag = 0x1f;
const lengthMax = 2 ** 23;

function readHead(bytes: Uint8Array, start: number): { head: DerHead; next: number } {
  const first = bytes[start]!;
  let tag = first & longTag;
  let at = start + 1;
  if (tag === longTag) {
    const read = readBase128(bytes, at);
    tag = read.value;
    at = read.next;
    if (tag < longTag) throw syntaxError('non-minimal tag');
  }
  const { length, next } = readLength(bytes, at);
  return { head: { class: first >> 6, tag, isCompound: (first & 0x20) !== 0, length }, next };
}

function readLength(bytes: Uint8Array, start: number): { length: number; next: number } {
  const first = bytes[start];
  if (first === undefined) throw syntaxError('truncated tag or length');
  if (first < 0x80) return { length: first, next: start + 1 };
  const next = start + 1 + (first & 0x7f);
  if (next === start + 1) throw syntaxError('indefinite length found (not DER)');
  let length = 0;
  for (let at = start + 1; at < next; at++) {
    const byte = bytes[at];
    if (byte === undefined) throw syntaxError('truncated tag or length');
    if (length >= lengthMax) throw structuralError('length too large');
    length = length * 256 + byte;
    if (length === 0) throw structuralError('superfluous leading zeros in length');
  }
  if (length < 0x80) throw structuralError('non-minimal length');
  return { length, next };
}

const base128BytesMax = 5;

function readBase128(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (at - start === base128BytesMax) throw structuralError('base 128 integer too large');
    if (at === start && byte === 0x80) throw syntaxError('integer is not minimally encoded');
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (value > 0x7f_ff_ff_ff) throw structuralError('base 128 integer too large');
    return { value, next: at + 1 };
  }
  throw syntaxError('truncated base 128 integer');
}

/** `1.2.840.113549.1.1.11` @throws DerError */
export function readOid({ content }: DerValue): string {
  if (content.length === 0) throw syntaxError('zero length OBJECT IDENTIFIER');
  const numbers: number[] = [];
  for (let at = 0; at < content.length; ) {
    const { value, next } = readBase128(content, at);
    // The first two share one number.
    if (at === 0) numbers.push(Math.min(2, Math.floor(value / 40)), value < 80 ? value % 40 : value - 80);
    else numbers.push(value);
    at = next;
  }
  return numbers.join('.');
}

/** Checks a whole number of 64 bits. @throws DerError */
export function checkInteger({ content }: DerValue): void {
  if (content.length === 0) throw structuralError('empty integer');
  if (!isMinimal(content)) throw structuralError('integer not minimally-encoded');
  if (content.length > 8) throw structuralError('integer too large');
}

/** Whether the first byte of a whole number says something. */
export function isMinimal([first, second]: Uint8Array): boolean {
  if (second === undefined) return first !== undefined;
  return !((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
}

/** The bits as bytes, those of an incomplete byte first. @throws DerError */
export function readBits({ content }: DerValue): Uint8Array {
  if (content.length === 0) throw syntaxError('zero length BIT STRING');
  const unused = content[0]!;
  const bits = content.subarray(1);
  const last = bits.at(-1);
  if (unused > 7 || (last === undefined ? unused > 0 : (last & ((1 << unused) - 1)) !== 0))
    throw syntaxError('invalid padding bits in BIT STRING');
  if (unused === 0) return bits;
  return bits.map((byte, at) => (((bits[at - 1] ?? 0) << 8) | byte) >> unused);
}

/** @throws DerError */
export function checkBoolean({ content }: DerValue): void {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw syntaxError('invalid boolean');
}

/** Bytes that may be in a string of each type, by tag. */
const stringTypes = new Map<number, { name: string; allowed: RegExp }>([
  [18, { name: 'NumericString', allowed: /^[0-9 ]*$/ }],
  [19, { name: 'PrintableString', allowed: /^[a-zA-Z0-9'()+,\-./ :=?*&]*$/ }],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  [22, { name: 'IA5String', allowed: /^[\u0000-\u007f]*$/ }],
]);

/** What stands where any value may stand, as far as its type is simple. @throws DerError */
export function checkAnyValue(value: DerValue): void {
  if (value.isCompound || value.class !== universal) return;
  const { tag, content } = value;
  const type = stringTypes.get(tag);
  if (type && !type.allowed.test(Buffer.from(content).toString('latin1')))
    throw syntaxError(`${type.name} contains invalid character`);
  if (tag === derKinds.boolean.tag) checkBoolean(value);
  else if (tag === derKinds.integer.tag) checkInteger(value);
  else if (tag === derKinds.bits.tag) readBits(value);
  else if (tag === derKinds.oid.tag) readOid(value);
  else if (tag === 12 && !isUtf8(content)) throw new DerError('asn1: invalid UTF-8 string');
  else if (tag === 30 && !isBasicPlane(content)) throw new DerError('invalid BMPString');
}

/** Characters of two bytes that stand for themselves. A zero at the end is none. */
function isBasicPlane(bytes: Uint8Array): boolean {
  if (bytes.length % 2 !== 0) return false;
  const isEnded = bytes.at(-1) === 0 && bytes.at(-2) === 0;
  const stop = isEnded ? bytes.length - 2 : bytes.length;
  for (let at = 0; at < stop; at += 2) {
    const point = bytes[at]! * 256 + bytes[at + 1]!;
    if (point >= 0xfffe || (point >= 0xfdd0 && point <= 0xfdef) || (point >= 0xd800 && point <= 0xdfff))
      return false;
  }
  return true;
}

/** The content of the first value, if it has this tag's byte and a short tag: without a reason where it has not. */
export function contentOf(
  bytes: Uint8Array,
  first: number,
): { content: Uint8Array; rest: Uint8Array } | undefined {
  const value = shortValue(bytes);
  return value?.first === first ? value : undefined;
}

/** The first of several values with short tags. */
export function shortValue(
  bytes: Uint8Array,
): { first: number; content: Uint8Array; rest: Uint8Array } | undefined {
  const first = bytes[0];
  if (first === undefined || (first & longTag) === longTag) return undefined;
  try {
    const { content, full } = new DerReader(bytes).any();
    return { first, content, rest: bytes.subarray(full.length) };
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}
