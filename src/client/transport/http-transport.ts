/** Requests to an API server elsewhere: HTTP/2 over TLS on a few shared connections, HTTP/1.1 where there is no TLS. */
import { readFile } from 'node:fs/promises';
import http2 from 'node:http2';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, systemClock } from '../../base/clock.ts';
import { http } from '../../base/system/node-http.ts';
import {
  type Transport,
  TransportError,
  type TransportEvent,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts';

export interface HttpTransportOptions {
  /** `https://host:port`, or `http://…` for a plain one such as a local proxy. */
  server: string;
  /** PEM; the system's own authorities when absent. */
  ca?: string | Buffer;
  /** PEM of the client's certificate and key. */
  cert?: string | Buffer;
  key?: string | Buffer;
  token?: string;
  /** A file with the token, read again as it is rotated. */
  tokenFile?: string;
  /** Asked for the token of every request, as one that is renewed. */
  bearerToken?: () => Promise<string>;
  basicAuth?: { username: string; password: string };
  /** Name to check the server's certificate against, when it is not the host of `server`. */
  serverName?: string;
  insecureSkipTlsVerify?: boolean;
  userAgent?: string;
  clock?: Clock;
}

/** Node's and upstream's servers take at least 100 streams on one connection. */
const streamsPerConnectionMax = 90;
const tokenMaxAgeMs = 60_000;
/** A connection that has been silent for this long is probed. */
const pingAfterMs = 30_000;
const pingTimeoutMs = 15_000;
/** The most of one watch event or answer that is held in memory. */
const answerSizeMaxBytes = 512 * 1024 * 1024;

interface Answer {
  status: number;
  contentType: string;
  body: Readable;
}

export interface HttpTransport extends Transport {
  /**
   * Accepts no more requests; those under way, including watches, continue until they end, and their connections with
   * them.
   */
  retire(): void;
}

interface Sender {
  send(request: TransportRequest, headers: Record<string, string>): Promise<Answer>;
  retire(): void;
  close(): void;
}

export function httpTransport(options: HttpTransportOptions): HttpTransport {
  const { clock = systemClock } = options;
  const base = new URL(options.server);
  const sender = base.protocol === 'http:' ? plainSender(base) : secureSender(base, options, clock);
  const authorization = credentialsOf(options, clock);
  return {
    async send(request) {
      request.signal?.throwIfAborted();
      const headers: Record<string, string> = {
        accept: request.accept ?? 'application/json',
        'user-agent': options.userAgent ?? 'wherry',
      };
      const credentials = await authorization();
      if (credentials) headers.authorization = credentials;
      if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
      const answer = await sender.send(request, headers).catch((error: unknown) => {
        if (request.signal?.aborted || error instanceof TransportError) throw error;
        // A connection that was closed between being chosen and being used.
        throw new TransportError(`${base.host}: the request could not be sent`, { cause: error });
      });
      return /[?&]watch=(true|1)/.test(request.path) && answer.status === 200
        ? { status: 200, events: readEvents(answer.body, answerSizeMaxBytes, request.signal) }
        : await readAnswer(answer, request.signal);
    },
    retire: () => sender.retire(),
    close: () => sender.close(),
  };
}

/** The `Authorization` header of a request, as long as there is one. */
export function credentialsOf(
  options: HttpTransportOptions,
  clock: Clock,
): () => Promise<string | undefined> {
  const { token, tokenFile, bearerToken, basicAuth } = options;
  if (bearerToken) return async () => `Bearer ${await bearerToken()}`;
  if (basicAuth) {
    const pair = Buffer.from(`${basicAuth.username}:${basicAuth.password}`).toString('base64');
    return async () => `Basic ${pair}`;
  }
  if (!tokenFile) return async () => (token ? `Bearer ${token}` : undefined);
  let current = '';
  let readAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.monotonic() - readAtMs > tokenMaxAgeMs) {
      current = (await readFile(tokenFile, 'utf8')).trim();
      readAtMs = clock.monotonic();
    }
    return `Bearer ${current}`;
  };
}

function bodyOf(request: TransportRequest): string | Buffer | undefined {
  if (request.body === undefined) return undefined;
  if (typeof request.body === 'string' || Buffer.isBuffer(request.body)) return request.body;
  return JSON.stringify(request.body);
}

function plainSender(base: URL): Sender {
  const agent = new http.Agent({ keepAlive: true });
  return {
    send: (request, headers) =>
      new Promise((resolve, reject) => {
        const url = new URL(base.pathname.replace(/\/$/, '') + request.path, base);
        const sent = http.request(url, { method: request.method, headers, agent, signal: request.signal });
        sent.once('error', (error) => reject(failure(base, error, request.signal)));
        sent.once('response', (response) =>
          resolve({
            status: response.statusCode ?? 500,
            contentType: response.headers['content-type'] ?? '',
            body: response,
          }),
        );
        sent.end(bodyOf(request));
      }),
    // Idle ones close by themselves.
    retire: () => undefined,
    close: () => agent.destroy(),
  };
}

/** A connection and how many requests and watches are open on it. */
interface Connection {
  session: http2.ClientHttp2Session;
  streams: number;
}

function secureSender(base: URL, options: HttpTransportOptions, clock: Clock): Sender {
  const connections = new Connections(base, options, clock);
  return {
    send: (request, headers) => sendOver(connections.take(), base, request, headers),
    retire: () => connections.retire(),
    close: () => connections.close(),
  };
}

/** The open connections to one server. */
class Connections {
  readonly #open = new Set<Connection>();
  readonly #base: URL;
  readonly #options: HttpTransportOptions;
  readonly #clock: Clock;
  // Made once: it costs more than the rest of a connection, memory outside of the heap too, and a server that is away
  // for an hour is tried thousands of times.
  #secureContext: SecureContext | undefined;

  constructor(base: URL, options: HttpTransportOptions, clock: Clock) {
    this.#base = base;
    this.#options = options;
    this.#clock = clock;
  }

  /** A connection with room for another stream, or a new one. */
  take(): Connection {
    for (const one of this.#open)
      if (one.streams < streamsPerConnectionMax && !one.session.closed && !one.session.destroyed) return one;
    return this.#connect();
  }

  retire(): void {
    for (const { session } of this.#open) session.close();
  }

  close(): void {
    for (const { session } of this.#open) session.destroy();
    this.#open.clear();
  }

  #connect(): Connection {
    const { ca, cert, key, serverName, insecureSkipTlsVerify } = this.#options;
    this.#secureContext ??= createSecureContext({ ...(ca && { ca }), ...(cert && { cert, key }) });
    const session = http2.connect(this.#base.origin, {
      secureContext: this.#secureContext,
      ...(serverName && { servername: serverName }),
      rejectUnauthorized: !insecureSkipTlsVerify,
    });
    const connection: Connection = { session, streams: 0 };
    const drop = () => void this.#open.delete(connection);
    // Each stream reports the error to its caller; here it only ends the connection's use.
    session.on('error', drop);
    session.on('goaway', drop);
    session.once('close', drop);
    keepAlive(session, this.#clock);
    this.#open.add(connection);
    return connection;
  }
}

function sendOver(
  connection: Connection,
  base: URL,
  request: TransportRequest,
  headers: Record<string, string>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = bodyOf(request);
    const stream = connection.session.request(
      {
        ':method': request.method,
        ':path': base.pathname.replace(/\/$/, '') + request.path,
        ...headers,
      },
      { endStream: body === undefined, signal: request.signal },
    );
    connection.streams++;
    stream.once('close', () => {
      connection.streams--;
      reject(failure(base, undefined, request.signal));
    });
    stream.on('error', (error) => reject(failure(base, error, request.signal)));
    stream.once('response', (answer) =>
      resolve({
        status: Number(answer[':status']),
        contentType: String(answer['content-type'] ?? ''),
        body: readFromNowOn(stream),
      }),
    );
    if (body !== undefined) stream.end(body);
  });
}

/** Ends a connection whose other side no longer answers, so that its watches restart elsewhere. */
function keepAlive(session: http2.ClientHttp2Session, clock: Clock): void {
  session.once('connect', () => {
    let timer = clock.after(pingAfterMs, ping);
    function ping() {
      if (session.destroyed) return;
      timer = clock.after(pingTimeoutMs, () =>
        session.destroy(new Error(`no answer to a ping for ${pingTimeoutMs} ms`)),
      );
      session.ping((error) => {
        timer.cancel();
        if (!error) timer = clock.after(pingAfterMs, ping);
      });
    }
    session.once('close', () => timer.cancel());
  });
}

/**
 * A stream that ends in the same turn in which its answer begins is closed before a promise of the answer resolves, and
 * data that is not read by then is lost.
 */
function readFromNowOn(stream: http2.ClientHttp2Stream): Readable {
  // The reader of the body gets the error.
  return pipeline(stream, new PassThrough(), () => undefined);
}

function failure(base: URL, error: Error | undefined, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  const cause = connectionProblem(error);
  const why = cause ? cause.message || (cause as NodeJS.ErrnoException).code : 'the connection was closed';
  return new TransportError(`${base.host}: ${why}`, { cause });
}

/** A request that waited for its connection says no more than that it was cancelled; the connection's error says why. */
function connectionProblem(error: Error | undefined): Error | undefined {
  const isCancelled = (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_HTTP2_STREAM_CANCEL';
  return isCancelled && error?.cause instanceof Error ? error.cause : error;
}

async function readAnswer(answer: Answer, signal: AbortSignal | undefined): Promise<TransportResponse> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of answer.body) {
      sizeBytes += (chunk as Buffer).length;
      if (sizeBytes > answerSizeMaxBytes)
        throw new Error(`an answer is larger than ${answerSizeMaxBytes} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new TransportError('the connection broke within an answer', { cause: error });
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const isJson = answer.contentType.includes('json') && text !== '';
  return { status: answer.status, object: isJson ? JSON.parse(text) : text };
}

/** One JSON object per line. @throws TransportError when the body breaks off, or a line is longer than `lineBytesMax` */
export async function* readEvents(
  body: Readable,
  lineBytesMax: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<TransportEvent> {
  let parts: Buffer[] = [];
  let partsBytes = 0;
  try {
    for await (const chunk of body) {
      let rest = chunk as Buffer;
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        parts.push(rest.subarray(0, end));
        rest = rest.subarray(end + 1);
        const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
        parts = [];
        partsBytes = 0;
        if (line.length > 0) yield JSON.parse(line.toString('utf8'));
      }
      if (rest.length > 0) parts.push(rest);
      partsBytes += rest.length;
      if (partsBytes > lineBytesMax) throw new Error(`an event is larger than ${lineBytesMax} bytes`);
    }
  } catch (error) {
    if (signal?.aborted) return;
    throw new TransportError('the connection broke within a watch', { cause: error });
  } finally {
    body.destroy();
  }
}
