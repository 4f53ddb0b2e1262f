/**
 * The client's side of SPDY/3.1 as Kubernetes uses it: streams named by headers, no flow control, and nothing that the
 * server says in its headers matters. Enough to speak with a container runtime's streaming server.
 */
import type { Duplex } from 'node:stream';
import { constants, createDeflate } from 'node:zlib';
import { spdyDictionary } from './spdy-dictionary.ts';

export interface SpdyStream {
  readonly id: number;
  write(data: Uint8Array): boolean;
  /** No more will be written; the other side may go on. */
  end(): void;
  onData: (data: Buffer) => void;
  onEnd: () => void;
}

const version = 3;
const finFlag = 0x01;
const types = { synStream: 1, rstStream: 3, ping: 6, goAway: 7 } as const;
const headerBytes = 8;
/** The length field has 24 bits; smaller frames let other streams have their turn. */
const dataMaxBytes = 32 * 1024;

export class SpdySession {
  readonly #socket: Duplex;
  readonly #streams = new Map<number, SpdyStream & { ended: boolean }>();
  readonly #deflate = createDeflate({ dictionary: spdyDictionary });
  #pending: Buffer = Buffer.alloc(0);
  #nextId = 1;
  #opening: Promise<void> = Promise.resolve();
  onClose: (() => void) | undefined;

  /** `socket`: already upgraded. */
  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('close', () => this.#close());
    socket.on('end', () => this.#close());
    socket.on('error', () => this.#close());
  }

  /** Streams are opened in the order of the calls. */
  async open(headers: Record<string, string>): Promise<SpdyStream> {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = {
      id,
      ended: false,
      write: (data: Uint8Array) => this.#sendData(id, data),
      end: () => void this.#socket.write(dataFrame(id, finFlag, new Uint8Array(0))),
      onData: () => undefined,
      onEnd: () => undefined,
    };
    this.#streams.set(id, stream);
    // One compressor serves the whole session: blocks must leave in the order in which they were compressed.
    this.#opening = this.#opening.then(() => this.#sendSynStream(id, headers));
    await this.#opening;
    return stream;
  }

  /** Resolves when what was written has left, should the other side be slow. */
  async drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }

  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.end();
    this.#socket.destroy();
  }

  #close(): void {
    for (const stream of this.#streams.values()) if (!stream.ended) stream.onEnd();
    this.#streams.clear();
    this.#deflate.close();
    const told = this.onClose;
    this.onClose = undefined;
    told?.();
  }

  #sendData(id: number, data: Uint8Array): boolean {
    let flowing = true;
    for (let offset = 0; offset < data.length; offset += dataMaxBytes)
      flowing = this.#socket.write(dataFrame(id, 0, data.subarray(offset, offset + dataMaxBytes)));
    return flowing;
  }

  async #sendSynStream(id: number, headers: Record<string, string>): Promise<void> {
    const block = await this.#compress(headerBlock(headers));
    const body = Buffer.alloc(10);
    body.writeUInt32BE(id, 0);
    this.#socket.write(controlFrame(types.synStream, 0, Buffer.concat([body, block])));
  }

  #compress(block: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      const parts: Buffer[] = [];
      const take = (part: Buffer) => parts.push(part);
      this.#deflate.on('data', take);
      this.#deflate.write(block);
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.#deflate.off('data', take);
        resolve(Buffer.concat(parts));
      });
    });
  }

  #receive(chunk: Buffer): void {
    this.#pending = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    while (this.#pending.length >= headerBytes) {
      const length = this.#pending.readUIntBE(5, 3);
      if (this.#pending.length < headerBytes + length) return;
      const header = this.#pending.subarray(0, headerBytes);
      const body = this.#pending.subarray(headerBytes, headerBytes + length);
      this.#pending = this.#pending.subarray(headerBytes + length);
      if ((header[0]! & 0x80) !== 0) this.#takeControl(header.readUInt16BE(2), header[4]!, body);
      else this.#takeData(header.readUInt32BE(0) & 0x7fffffff, header[4]!, body);
    }
  }

  #takeControl(type: number, flags: number, body: Buffer): void {
    switch (type) {
      case types.ping:
        // An echo of what the server asked; its ids are even.
        if (body.readUInt32BE(0) % 2 === 0) this.#socket.write(controlFrame(types.ping, 0, body));
        break;
      case types.rstStream:
        this.#endStream(body.readUInt32BE(0) & 0x7fffffff);
        break;
      case types.goAway:
        break;
      default:
        // SYN_REPLY with FIN: nothing will come on that stream.
        if ((flags & finFlag) !== 0 && body.length >= 4) this.#endStream(body.readUInt32BE(0) & 0x7fffffff);
    }
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

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
