/** Protobuf's wire format: a growing buffer to write to, and a bounded reader. */

export class WireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WireError';
  }
}

export const varintType = 0;
export const fixed64Type = 1;
export const bytesType = 2;
const fixed32Type = 5;

const encoder = new TextEncoder();

/** Writes forward; the length of a nested message is put in when it ends. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacityBytes = 1024) {
    this.#bytes = new Uint8Array(capacityBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** `tag` is the field number and wire type together. */
  tag(tag: number): void {
    this.#unsigned(tag);
  }

  /** The length of bytes that follow by another way. */
  length(count: number): void {
    this.#unsigned(count);
  }

  #unsigned(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A whole number, negative ones in ten bytes. */
  integer(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) {
      this.#unsigned(value);
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  bytes(bytes: Uint8Array): void {
    this.#unsigned(bytes.length);
    this.raw(bytes);
  }

  string(text: string): void {
    // Short ASCII text, which is nearly all, needs no encoder.
    if (text.length < 128) {
      this.#reserve(1 + text.length);
      const start = this.#length;
      this.#bytes[this.#length++] = text.length;
      for (let at = 0; at < text.length; at++) {
        const code = text.charCodeAt(at);
        if (code > 0x7f) {
          this.#length = start;
          this.bytes(encoder.encode(text));
          return;
        }
        this.#bytes[this.#length++] = code;
      }
      return;
    }
    this.bytes(encoder.encode(text));
  }

  /** Starts something whose length comes first; hand the result to {@link end}. */
  begin(): number {
    this.#reserve(1);
    return this.#length++;
  }

  end(start: number): void {
    const length = this.#length - start - 1;
    let prefixBytes = 1;
    for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) prefixBytes++;
    if (prefixBytes > 1) {
      this.#reserve(prefixBytes);
      this.#bytes.copyWithin(start + prefixBytes, start + 1, this.#length);
      this.#length += prefixBytes - 1;
    }
    let rest = length;
    for (let at = start; ; at++) {
      if (rest <= 0x7f) {
        this.#bytes[at] = rest;
        return;
      }
      this.#bytes[at] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
  }
}

const decoder = new TextDecoder();

/** Reads one message; never beyond its end. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new WireError('unexpected EOF');
    return this.#bytes[this.#at++]!;
  }

  tag(): number {
    const tag = this.#unsigned();
    if (tag < 8 || tag > 0xffffffff) throw new WireError(`proto: illegal tag ${tag >>> 3}`);
    return tag;
  }

  /** Up to 2⁵³; what is larger loses its last digits. */
  #unsigned(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw new WireError('proto: integer overflow');
  }

  /** The nearest number. */
  integer(): number {
    return Number(this.exactInteger());
  }

  /** Of 64 bits: a bigint when a number would lose digits. */
  exactInteger(): number | bigint {
    const start = this.#at;
    const value = this.#unsigned();
    if (value < 2 ** 53) return value;
    let exact = 0n;
    for (let at = start; at < this.#at; at++) {
      exact |= BigInt(this.#bytes[at]! & 0x7f) << BigInt(7 * (at - start));
    }
    const signed = BigInt.asIntN(64, exact);
    const near = Number(signed);
    return Number.isSafeInteger(near) ? near : signed;
  }

  double(): number {
    this.#need(8);
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8);
    this.#at += 8;
    return view.getFloat64(0, true);
  }

  #need(count: number): void {
    if (count > this.#end - this.#at) throw new WireError('unexpected EOF');
  }

  /** A view of the bytes, not a copy. */
  bytes(): Uint8Array {
    const length = this.#unsigned();
    this.#need(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  string(): string {
    const length = this.#unsigned();
    this.#need(length);
    const start = this.#at;
    this.#at += length;
    if (length < 64) {
      let text = '';
      for (let at = start; at < this.#at; at++) {
        const byte = this.#bytes[at]!;
        if (byte > 0x7f) return decoder.decode(this.#bytes.subarray(start, this.#at));
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return decoder.decode(this.#bytes.subarray(start, this.#at));
  }

  message(): WireReader {
    const length = this.#unsigned();
    this.#need(length);
    this.#at += length;
    return new WireReader(this.#bytes, this.#at - length, this.#at);
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case varintType:
        this.#unsigned();
        return;
      case fixed64Type:
        this.#need(8);
        this.#at += 8;
        return;
      case bytesType:
        this.bytes();
        return;
      case fixed32Type:
        this.#need(4);
        this.#at += 4;
        return;
      default:
        throw new WireError(`proto: illegal wireType ${tag & 7}`);
    }
  }
}
