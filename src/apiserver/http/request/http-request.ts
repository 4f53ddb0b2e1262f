/** Requests of HTTP/1.1 and HTTP/2 as the layers above see them. */
import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex, Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { ApiRequest, VerifiedCertificate } from '../../request.ts';
import type { BodyShare } from './body-budget.ts';
import { RequestBody } from './request-body.ts';

abstract class NetworkRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  #query: URLSearchParams | undefined;
  #body: RequestBody | undefined;
  protected abstract readonly source: Readable;
  protected abstract readonly socket: TLSSocket;
  abstract readonly signal: AbortSignal;
  abstract headers(): Record<string, string | string[] | undefined>;

  constructor(method: string, url: string) {
    this.method = method;
    const mark = url.indexOf('?');
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.search = mark < 0 ? '' : url.slice(mark + 1);
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.search);
    return this.#query;
  }

  abstract readonly remoteAddress: string;
  abstract readonly hasBody: boolean;

  header(name: string): string | undefined {
    const value = this.headers()[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  clientCertificate(): VerifiedCertificate | undefined {
    return certificateOf(this.socket);
  }

  bodyStream(): Readable {
    return this.#incoming.stream();
  }

  receiveBody(limitBytes: number, share: BodyShare): Promise<boolean> {
    return this.#incoming.receive(limitBytes, share);
  }

  readBody(limitBytes: number): Promise<Uint8Array> {
    return this.#incoming.read(limitBytes);
  }

  get bodyBytes(): number {
    return this.#body?.receivedBytes ?? 0;
  }

  get isBodyComing(): boolean {
    return this.#incoming.isComing;
  }

  dropBody(): void {
    this.#body?.dropRest();
  }

  get #incoming(): RequestBody {
    if (!this.#body) {
      const declared = this.header('content-length');
      this.#body = new RequestBody(this.source, declared === undefined ? undefined : Number(declared));
    }
    return this.#body;
  }
}

export class Http2Request extends NetworkRequest {
  protected readonly source: ServerHttp2Stream;
  protected readonly socket: TLSSocket;
  /** Learned at once: a session that has ended does not say any more. */
  readonly remoteAddress: string;
  readonly #headers: IncomingHttpHeaders;
  #abort: AbortController | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    super(headers[':method'] as string, (headers[':path'] as string | undefined) ?? '/');
    this.source = stream;
    this.#headers = headers;
    const { session } = stream;
    this.socket = session?.socket as TLSSocket;
    this.remoteAddress = (session && !session.destroyed && session.socket.remoteAddress) || '';
  }

  get hasBody(): boolean {
    return !this.source.endAfterHeaders;
  }

  override headers(): Record<string, string | string[] | undefined> {
    return this.#headers;
  }

  override header(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : value;
  }

  /** Made only for those who wait: most requests end before anybody asks. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.source.closed || this.source.destroyed) abort.abort();
      else this.source.once('close', () => abort.abort());
    }
    return this.#abort.signal;
  }
}

export class Http1Request extends NetworkRequest {
  protected readonly source: IncomingMessage;
  protected readonly socket: TLSSocket;
  readonly upgrade?: { socket: Duplex; head: Buffer; protocol: string };
  /** Closes when the answer is complete or the client is gone. */
  readonly #answer: EventEmitter;
  #abort: AbortController | undefined;

  constructor(message: IncomingMessage, answer: EventEmitter, upgraded?: { socket: Duplex; head: Buffer }) {
    super(message.method ?? 'GET', message.url ?? '/');
    this.source = message;
    this.socket = message.socket as TLSSocket;
    this.#answer = answer;
    if (!upgraded) return;
    const protocol = String(message.headers.upgrade ?? '').toLowerCase();
    this.upgrade = { ...upgraded, protocol };
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? '';
  }

  get hasBody(): boolean {
    const { headers } = this.source;
    return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  }

  override headers(): Record<string, string | string[] | undefined> {
    return this.source.headers;
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.socket.destroyed) abort.abort();
      else this.#answer.once('close', () => abort.abort());
    }
    return this.#abort.signal;
  }
}

const certificates = new WeakMap<TLSSocket, VerifiedCertificate | 'none'>();

/** Once per connection: reading a certificate is slow. */
function certificateOf(socket: TLSSocket): VerifiedCertificate | undefined {
  const known = certificates.get(socket);
  if (known) return known === 'none' ? undefined : known;
  const found = readCertificate(socket);
  certificates.set(socket, found ?? 'none');
  return found;
}

function readCertificate(socket: TLSSocket): VerifiedCertificate | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  if (!certificate?.subject) return undefined;
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  return {
    commonName: listOf(CN)[0] ?? '',
    organizations: listOf(O),
    raw: certificate.raw,
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    validToMs: Date.parse(certificate.valid_to),
  };
}

function listOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}
