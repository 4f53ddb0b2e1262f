/**
 * A client that costs little beside the server that it loads: one TLS connection, HTTP/1.1, requests made beforehand as
 * bytes, answers read only as far as their status and length.
 */
import { connect, type TLSSocket } from 'node:tls';
import type { HttpTransportOptions } from '../src/client/transport/http-transport.ts';

export interface LoadAnswer {
  status: number;
  bodyBytes: number;
}

const headerEnd = Buffer.from('\r\n\r\n');
const chunkedEnd = Buffer.from('0\r\n\r\n');

export class LoadClient {
  readonly #socket: TLSSocket;
  readonly #head: string;
  #received: Buffer = Buffer.alloc(0);
  #bodyMissing = 0;
  #answer: LoadAnswer = { status: 0, bodyBytes: 0 };
  #waiting: { resolve(answer: LoadAnswer): void; reject(error: Error): void } | undefined;
  /** For watches: called with every piece of the body. */
  onBody: ((chunk: Buffer) => void) | undefined;

  private constructor(socket: TLSSocket, head: string) {
    this.#socket = socket;
    this.#head = head;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const fail = (error: Error) => this.#waiting?.reject(error);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the server closed the connection')));
  }

  static open(connection: HttpTransportOptions): Promise<LoadClient> {
    const url = new URL(connection.server);
    const authorization = connection.token ? `authorization: Bearer ${connection.token}\r\n` : '';
    return new Promise((resolve, reject) => {
      const socket = connect(
        {
          host: url.hostname,
          port: Number(url.port || 443),
          ca: connection.ca,
          cert: connection.cert,
          key: connection.key,
          ALPNProtocols: ['http/1.1'],
        },
        () =>
          resolve(
            new LoadClient(socket, `host: ${url.host}\r\n${authorization}accept: application/json\r\n`),
          ),
      );
      socket.once('error', reject);
    });
  }

  /** The bytes of a request, for {@link LoadClient.send}. */
  prepare(method: string, path: string, body?: string, contentType = 'application/json'): Buffer {
    const length =
      body === undefined
        ? ''
        : `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    return Buffer.from(`${method} ${path} HTTP/1.1\r\n${this.#head}${length}\r\n${body ?? ''}`);
  }

  /** One request at a time. */
  send(request: Buffer): Promise<LoadAnswer> {
    return new Promise((resolve, reject) => {
      // A server may close a connection that was idle for a while.
      if (this.#socket.destroyed) return reject(new Error('the server has closed the connection'));
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  /** Starts a watch; its body goes to {@link LoadClient.onBody}. */
  stream(request: Buffer, onBody: (chunk: Buffer) => void): void {
    this.onBody = onBody;
    this.#socket.write(request);
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.onBody) {
      this.onBody(chunk);
      return;
    }
    // Long bodies are only counted: putting their pieces together would cost more than the server's work.
    if (this.#bodyMissing > 0) {
      this.#bodyMissing -= chunk.length;
      if (this.#bodyMissing <= 0) this.#finish();
      return;
    }
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const bodyAt = this.#received.indexOf(headerEnd) + headerEnd.length;
    if (bodyAt < headerEnd.length) return;
    const head = this.#received.toString('latin1', 0, bodyAt).toLowerCase();
    const length = /content-length: (\d+)/.exec(head)?.[1];
    const receivedBytes = this.#received.length - bodyAt;
    this.#answer = { status: Number(head.slice(9, 12)), bodyBytes: Number(length ?? receivedBytes) };
    if (length === undefined) {
      if (this.#received.subarray(-5).equals(chunkedEnd)) this.#finish();
      return;
    }
    this.#bodyMissing = Number(length) - receivedBytes;
    if (this.#bodyMissing <= 0) this.#finish();
  }

  #finish(): void {
    this.#received = Buffer.alloc(0);
    this.#bodyMissing = 0;
    this.#waiting?.resolve(this.#answer);
  }
}
