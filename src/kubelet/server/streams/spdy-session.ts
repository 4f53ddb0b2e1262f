/**
 * SPDY/3.1 as Kubernetes uses it: the client opens streams and names them by headers, there is no flow control, and the
 * server's headers are irrelevant. Enough to talk to a container runtime's streaming server, and to kubectl as one.
 */
import type { Duplex } from 'node:stream';
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { drained } from '../../../base/async/drained.ts';
import { spdyDictionary } from './spdy-dictionary.ts';

export interface SpdyStream {
  readonly id: number;
  write(data: Uint8Array): boolean;
  /** The writing side is closed; the other side may continue. */
  end(): void;
  onData: (data: Buffer) => void;
  onEnd: () => void;
}

const version = 3;
const finFlag = 0x01;
const types = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7 } as const;
const headerBytes = 8;
/** The length field has 24 bits; smaller frames let other streams take their turn. */
const dataMaxBytes = 32 * 1024;
/** Of one stream, compressed and decompressed: in practice a few words. */
const headersBytesMax = 16 * 1024;
const plainHeadersBytesMax = 64 * 1024;
/** The number of streams that the other side may have open at once: five are used. */
const streamsMax = 64;

export class SpdySession {
  readonly #socket: Duplex;
  readonly #streams = new Map<number, SpdyStream & { ended: boolean }>();
  /** One of each serves the whole session: blocks are processed in order. */
  readonly #deflate = createDeflate({ dictionary: spdyDictionary });
  #inflate: Inflate | undefined;
  readonly #onStream: ((stream: SpdyStream, headers: Record<string, string>) => void) | undefined;
  /** The bytes of an incomplete frame. */
  #parts: Buffer[] = [];
  #partsBytes = 0;
  /** The number of bytes needed before a frame can be parsed. */
  #neededBytes = headerBytes;
  #nextId = 1;
  #sending: Promise<void> = Promise.resolve();
  #isInflating = false;
  #isClosed = false;
  /** The session accepts nothing more. */
  #isEnding = false;
  onClose: (() => void) | undefined;

  /**
   * `socket`: already upgraded. `onStream` makes this the server's side: it is called for each stream that the client
   * opens, before any of its data, and the stream is accepted.
   */
  constructor(socket: Duplex, onStream?: (stream: SpdyStream, headers: Record<string, string>) => void) {
    this.#socket = socket;
    this.#onStream = onStream;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('close', () => this.#close());
    socket.on('end', () => this.#close());
    socket.on('error', () => this.#close());
  }

  /** Streams are opened in the order of the calls. */
  async open(headers: Record<string, string>): Promise<SpdyStream> {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = this.#addStream(id);
    const body = Buffer.alloc(10);
    body.writeUInt32BE(id, 0);
    await this.#sendWithHeaders(types.synStream, body, headers);
    return stream;
  }

  /** Resolves when what was written has been sent, in case the other side is slow. */
  drained(): Promise<void> {
    return drained(this.#socket);
  }

  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  /** Sends what was written, then ends the connection. */
  finish(): void {
    const end = () => void this.#socket.end();
    void this.#sending.then(end, end);
  }

  close(): void {
    this.#isEnding = true;
    this.#socket.end();
    this.#socket.destroy();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isEnding = true;
    for (const stream of this.#streams.values()) if (!stream.ended) stream.onEnd();
    this.#streams.clear();
    this.#deflate.close();
    this.#inflate?.close();
    const listener = this.onClose;
    this.onClose = undefined;
    listener?.();
  }

  #sendData(id: number, data: Uint8Array): boolean {
    let flowing = true;
    for (let offset = 0; offset < data.length; offset += dataMaxBytes)
      flowing = this.#socket.write(dataFrame(id, 0, data.subarray(offset, offset + dataMaxBytes)));
    return flowing;
  }

  #addStream(id: number): SpdyStream & { ended: boolean } {
    const stream = {
      id,
      ended: false,
      write: (data: Uint8Array) => this.#sendData(id, data),
      end: () => void this.#socket.write(dataFrame(id, finFlag, new Uint8Array(0))),
      onData: () => undefined,
      onEnd: () => undefined,
    };
    this.#streams.set(id, stream);
    return stream;
  }

  /** Header blocks are sent in the order in which they were compressed. */
  async #sendWithHeaders(type: number, body: Buffer, headers: Record<string, string>): Promise<void> {
    this.#sending = this.#sending.then(async () => {
      if (this.#isClosed) return;
      const block = await throughZlib(this.#deflate, headerBlock(headers));
      if (!this.#isClosed) this.#socket.write(controlFrame(type, 0, Buffer.concat([body, block])));
    });
    await this.#sending;
  }

  #receive(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#partsBytes += chunk.length;
    if (this.#partsBytes >= this.#neededBytes && !this.#isInflating) this.#takeFrames();
  }

  #takeFrames(): void {
    let pending = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#neededBytes = headerBytes;
    while (pending.length >= headerBytes && !this.#isInflating && !this.#isEnding) {
      const end = headerBytes + pending.readUIntBE(5, 3);
      if (pending.length < end) {
        this.#neededBytes = end;
        break;
      }
      const header = pending.subarray(0, headerBytes);
      const body = pending.subarray(headerBytes, end);
      pending = pending.subarray(end);
      if ((header[0]! & 0x80) !== 0) this.#takeControl(header.readUInt16BE(2), header[4]!, body);
      else this.#takeData(header.readUInt32BE(0) & 0x7fffffff, header[4]!, body);
    }
    this.#parts = pending.length > 0 && !this.#isEnding ? [pending] : [];
    this.#partsBytes = pending.length;
  }

  #takeControl(type: number, flags: number, body: Buffer): void {
    // A stream's id, or a ping's.
    const id = body.length >= 4 ? body.readUInt32BE(0) & 0x7fffffff : undefined;
    if (id === undefined) {
      if (type === types.synStream || type === types.rstStream || type === types.ping) this.close();
      return;
    }
    switch (type) {
      case types.synStream:
        // Unreadable headers leave the compressors of both sides out of step: the session cannot be used any longer.
        this.#takeStream(id, flags, body.subarray(10)).catch(() => this.close());
        break;
      case types.ping:
        // Returns the other side's ping; a client's ids are odd, a server's even.
        if (id % 2 === (this.#onStream ? 1 : 0)) this.#socket.write(controlFrame(types.ping, 0, body));
        break;
      case types.rstStream:
        this.#endStream(id);
        break;
      case types.goAway:
        break;
      default:
        // SYN_REPLY with FIN: nothing will arrive on that stream.
        if ((flags & finFlag) !== 0) this.#endStream(id);
    }
  }

  /** What follows waits until it is known which stream this is. */
  async #takeStream(id: number, flags: number, block: Buffer): Promise<void> {
    const isOneTooMany = this.#streams.has(id) || this.#streams.size >= streamsMax;
    if (!this.#onStream || block.length > headersBytesMax || isOneTooMany) return this.close();
    this.#isInflating = true;
    this.#inflate ??= createInflate({ dictionary: spdyDictionary });
    const headers = readHeaderBlock(await throughZlib(this.#inflate, Buffer.from(block)));
    if (this.#isEnding) return;
    const stream = this.#addStream(id);
    this.#onStream(stream, headers);
    const body = Buffer.alloc(4);
    body.writeUInt32BE(id, 0);
    await this.#sendWithHeaders(types.synReply, body, {});
    this.#isInflating = false;
    if ((flags & finFlag) !== 0) this.#endStream(id);
    this.#takeFrames();
  }

  #takeData(id: number, flags: number, body: Buffer): void {
    if (body.length > 0) this.#streams.get(id)?.onData(body);
    if ((flags & finFlag) !== 0) this.#endStream(id);
  }

  #endStream(id: number): void {
    const stream = this.#streams.get(id);
    if (!stream || stream.ended) return;
    stream.ended = true;
    stream.onEnd();
  }
}

function controlFrame(type: number, flags: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(0x8000 | version, 0);
  header.writeUInt16BE(type, 2);
  header[4] = flags;
  header.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([header, body]);
}

function dataFrame(id: number, flags: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(id, 0);
  header[4] = flags;
  header.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([header, body]);
}

/** Names are lower case on the wire. */
export function headerBlock(headers: Record<string, string>): Buffer {
  const parts: Buffer[] = [uint32(Object.keys(headers).length)];
  for (const [name, value] of Object.entries(headers)) {
    for (const text of [name.toLowerCase(), value]) {
      const bytes = Buffer.from(text);
      parts.push(uint32(bytes.length), bytes);
    }
  }
  return Buffer.concat(parts);
}

/** @throws RangeError when the block is cut short */
function readHeaderBlock(block: Buffer): Record<string, string> {
  let offset = 0;
  const number = () => {
    offset += 4;
    return block.readUInt32BE(offset - 4);
  };
  const text = () => {
    const length = number();
    offset += length;
    return block.toString('utf8', offset - length, offset);
  };
  const headers: Record<string, string> = {};
  for (let left = number(); left > 0; left--) {
    const name = text();
    headers[name] = text();
  }
  return headers;
}

/**
 * The output of the compressor (or decompressor) for this block, up to the point where it is in step with its input.
 * @throws Error when it cannot be read, or becomes too large
 */
function throughZlib(stream: Deflate | Inflate, block: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const stop = () => {
      stream.off('data', take);
      stream.off('close', fail);
    };
    // The listener outlives the session: the error of a stream without one would end the process.
    const fail = (error?: Error) => {
      stop();
      reject(error ?? new Error('the session has ended'));
    };
    const take = (part: Buffer) => {
      bytes += part.length;
      if (bytes > plainHeadersBytesMax) fail(new Error('the headers of a stream are too long'));
      else parts.push(part);
    };
    stream.on('data', take);
    stream.on('close', fail);
    if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
    stream.once('error', fail);
    stream.write(block);
    stream.flush(constants.Z_SYNC_FLUSH, () => {
      stop();
      stream.off('error', fail);
      resolve(Buffer.concat(parts));
    });
  });
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
