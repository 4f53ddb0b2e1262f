/** Answers on HTTP/1.1, HTTP/2 and refused upgrades behind one small interface. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Duplex, Writable } from 'node:stream';
import { http } from '../../../base/system/node-http.ts';

export type ResponseHeaders = Record<string, string | string[] | number>;

export interface HttpResponse {
  /** True when nothing more can be sent. */
  readonly isClosed: boolean;
  /** A whole answer. */
  send(status: number, headers: ResponseHeaders, body: Uint8Array | string): void;
  /** The head of an answer whose body is written as it comes. */
  open(status: number, headers: ResponseHeaders): Writable;
}

export class Http2Response implements HttpResponse {
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  get isClosed(): boolean {
    const { destroyed, closed, headersSent } = this.#stream;
    // Closed by the client: nothing more can be sent, even while it is not destroyed yet.
    return destroyed || closed || headersSent;
  }

  send(status: number, headers: ResponseHeaders, body: Uint8Array | string): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.respond({ ':status': status, ...headers });
    stream.end(body);
    if (!stream.endAfterHeaders && !stream.readableEnded) stream.once('finish', () => this.#stopUpload());
  }

  /** The response is complete, and the rest of the body will not be read: the client need not send it. */
  #stopUpload(): void {
    if (!this.#stream.readableEnded) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  open(status: number, headers: ResponseHeaders): Writable {
    this.#stream.respond({ ':status': status, ...headers });
    return this.#stream;
  }
}

/** From this size on the copy costs more than a write of its own. */
const separateHeadBytesMin = 64 * 1024;

export class Http1Response implements HttpResponse {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get isClosed(): boolean {
    return this.#response.destroyed || this.#response.headersSent;
  }

  send(status: number, headers: ResponseHeaders, body: Uint8Array | string): void {
    const response = this.#response;
    if (response.destroyed) return;
    const length = Buffer.byteLength(body);
    // A client that has not sent the whole body in time is not waited for.
    const isTooSlow = status === 504 && !this.#request.complete;
    const end: ResponseHeaders = isTooSlow ? { connection: 'close' } : {};
    response.writeHead(status, { ...headers, ...end, 'content-length': length });
    // Sent together, head and body would be copied into one buffer first.
    if (length > separateHeadBytesMin) response.flushHeaders();
    response.end(this.#request.method === 'HEAD' ? undefined : body);
  }

  open(status: number, headers: ResponseHeaders): Writable {
    this.#response.writeHead(status, headers);
    this.#response.flushHeaders();
    return this.#response;
  }
}

/** What is left of an upgrade that was not granted: an ordinary answer on the raw connection. */
export class UpgradeResponse implements HttpResponse {
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  send(status: number, headers: ResponseHeaders, body: Uint8Array | string): void {
    const all: ResponseHeaders = {
      ...headers,
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    };
    this.#socket.write(head(status, all));
    this.#socket.end(body);
  }

  open(status: number, headers: ResponseHeaders): Writable {
    this.#socket.write(head(status, { ...headers, connection: 'close' }));
    return this.#socket;
  }
}

function head(status: number, headers: ResponseHeaders): string {
  const lines = [`HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}`];
  for (const [name, value] of Object.entries(headers))
    for (const item of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${item}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
