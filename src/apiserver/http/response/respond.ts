/** Sends an answer of the layers below over HTTP: encodes, compresses, streams watches. */

import { type Duplex, Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import { internalError, StatusError } from '../../../api/status.ts';
import type { Clock } from '../../../base/clock.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import type { ServedResource } from '../../registry/kind-registry.ts';
import type { ApiRequest, ApiResponse, RequestContext } from '../../request.ts';
import { tableFormOf } from './acceptable.ts';
import {
  type EncodeContext,
  type Encoded,
  encodeInTurn,
  encodeList,
  encodeObject,
  encodePlain,
  encodeValue,
  type ListResponse,
} from './encode.ts';
import type { HttpResponse, ResponseHeaders } from './http-response.ts';
import { listPieces, wholeItemsMax } from './list-pieces.ts';
import { contentTypes, limitsOf, negotiate, type OutputFormat } from './negotiate.ts';
import { prettyFor, wantsPretty } from './pretty.ts';
import { warningHeaders } from './warning-headers.ts';
import { HttpWatchSink } from './watch-stream.ts';
import {
  asksForWebSocket,
  byteMessages,
  jsonEventMessages,
  openWebSocket,
  protobufEventMessages,
} from './web-socket-body.ts';

const gzipAsync = promisify(gzip);

/** Smaller answers are not worth compressing. */
const gzipBytesMin = 128 * 1024;

export interface RespondOptions {
  clock: Clock;
  /** Called when a watcher was cut off because it did not read. */
  onSlowWatcher(context: RequestContext): void;
  /** Called when an answer that had begun is broken off, as what it comes from failed. */
  onAborted(context: RequestContext): void;
  /** Called with events that a watcher was sent, and the bytes that they are together. */
  onEvents(resource: ServedResource, count: number, sizeBytes: number): void;
}

/** The format that the request asks for. */
function encodeContextOf(request: ApiRequest, resource: ServedResource, clock: Clock): EncodeContext {
  const format = negotiate(request.header('accept'), limitsOf(resource));
  return { ...tableFormOf(request, format), nowMs: clock.now() };
}

/** What was sent: for metrics. */
export interface Sent {
  status: number;
  /** Of the body; 0 for what streams. */
  sizeBytes: number;
}

/** @throws what encoding throws; nothing was sent then */
export async function respond(
  context: RequestContext,
  answer: ApiResponse,
  response: HttpResponse,
  options: RespondOptions,
): Promise<Sent> {
  const { request } = context;
  switch (answer.type) {
    case 'hijacked':
      if (context.whenOver) whenClosed(request.upgrade?.socket, context.whenOver);
      return { status: 101, sizeBytes: 0 };
    case 'raw':
      return send(context, response, {
        status: answer.status,
        encoded: { contentType: answer.contentType, body: Buffer.from(answer.body) },
        headers: answer.headers,
      });
    case 'stream': {
      const inMessages = answer.status === 200 && asksForWebSocket(request);
      const out = inMessages
        ? await openWebSocket(request, byteMessages)
        : response.open(answer.status, { ...headersOf(context), ...answer.headers });
      answer.body.on('error', () => {
        if (!out.destroyed) options.onAborted(context);
        out.destroy();
      });
      out.on('close', () => answer.body.destroy());
      if (context.whenOver) whenClosed(out, context.whenOver);
      answer.body.pipe(out);
      return { status: inMessages ? 101 : answer.status, sizeBytes: 0 };
    }
    case 'watch':
      return respondWithWatch(context, answer, response, options);
    case 'plain': {
      const format = negotiate(request.header('accept'), { noForms: !answer.columns });
      const encoding = { ...tableFormOf(request, format), nowMs: options.clock.now() };
      const encoded = await encodeInTurn(encoding, (asked) => encodePlain(answer, asked));
      return send(context, response, { status: answer.status, encoded: prettyFor(request, encoded) });
    }
    case 'object': {
      const encoding = encodeContextOf(request, answer.resource, options.clock);
      const encoded = await encodeInTurn(encoding, (asked) =>
        encodeObject(answer.resource, answer.object, asked),
      );
      return send(context, response, { status: answer.status, encoded: prettyFor(request, encoded) });
    }
    case 'list': {
      const encoding = encodeContextOf(request, answer.resource, options.clock);
      if (answer.items.length > wholeItemsMax) return await sendInPieces(context, response, answer, encoding);
      const encoded = await encodeInTurn(encoding, (asked) => encodeList(answer, asked));
      return sendMaybeCompressed(context, response, prettyFor(request, encoded));
    }
  }
}

function whenClosed(connection: Duplex | Writable | undefined, act: () => void): void {
  if (connection && !connection.destroyed) connection.once('close', act);
  else act();
}

/** Answers with a Status, in a format that the client can read. */
export function respondWithError(
  context: AnsweredContext & { request: ApiRequest },
  error: unknown,
  response: HttpResponse,
): number {
  const failure =
    error instanceof StatusError ? error : internalError('the server could not serve the request');
  const headers: ResponseHeaders = {};
  const { retryAfterSeconds } = failure.status.details ?? {};
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds);
  const format = readableFormat(context.request);
  const encoded = format
    ? prettyFor(context.request, encodeValue(failure.status, format))
    : { contentType: contentTypes.json, body: Buffer.from(JSON.stringify(failure.status, null, 2)) };
  if (!response.isClosed) send(context, response, { status: failure.code, encoded, headers });
  return failure.code;
}

/** A Status has no table and no partial form. Undefined: the client names none; it gets JSON for people. */
function readableFormat(request: ApiRequest): OutputFormat | undefined {
  try {
    return { media: negotiate(request.header('accept'), { noForms: true }).media };
  } catch (error) {
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}

/** What of a request's context is in the headers of every answer. */
type AnsweredContext = Pick<RequestContext, 'auditId' | 'warnings' | 'headers'>;

function headersOf(context: AnsweredContext): ResponseHeaders {
  const headers: ResponseHeaders = {
    'audit-id': context.auditId,
    'cache-control': 'no-cache, private',
    ...context.headers,
  };
  if (context.warnings.length > 0) headers.warning = warningHeaders(context.warnings);
  return headers;
}

interface WholeAnswer {
  status: number;
  encoded: Encoded;
  /** Beside those of every answer. */
  headers?: ResponseHeaders | undefined;
}

function send(
  context: AnsweredContext,
  response: HttpResponse,
  { status, encoded, headers: more }: WholeAnswer,
): Sent {
  const headers = headersOf(context);
  if (encoded.contentType) headers['content-type'] = encoded.contentType;
  if (more) Object.assign(headers, more);
  response.send(status, headers, encoded.body);
  return { status, sizeBytes: encoded.body.length };
}

/** A client that disconnects, or reads slowly, ends or delays only this response. */
async function sendInPieces(
  context: RequestContext,
  response: HttpResponse,
  answer: ListResponse,
  encoding: EncodeContext,
): Promise<Sent> {
  const { request } = context;
  const { contentType, pieces } = listPieces(answer, encoding, { pretty: wantsPretty(request) });
  const body = Readable.from(pieces, { objectMode: false });
  const compresses = acceptsGzip(request);
  const out = response.open(200, {
    ...headersOf(context),
    'content-type': contentType,
    ...(compresses && gzipHeaders),
  });
  let sizeBytes = 0;
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  try {
    if (compresses) await pipeline(body, createGzip({ level: gzipLevel }), counted, out);
    else await pipeline(body, counted, out);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  return { status: 200, sizeBytes };
}

const gzipLevel = 1;
const gzipHeaders = { 'content-encoding': 'gzip', vary: 'Accept-Encoding' };

function acceptsGzip(request: ApiRequest): boolean {
  return (request.header('accept-encoding') ?? '').includes('gzip');
}

async function sendMaybeCompressed(
  context: RequestContext,
  response: HttpResponse,
  encoded: Encoded,
): Promise<Sent> {
  if (encoded.body.length < gzipBytesMin || !acceptsGzip(context.request))
    return send(context, response, { status: 200, encoded });
  const body = await gzipAsync(encoded.body, { level: gzipLevel });
  return send(context, response, { status: 200, encoded: { ...encoded, body }, headers: gzipHeaders });
}

async function respondWithWatch(
  context: RequestContext,
  { resource, session }: Extract<ApiResponse, { type: 'watch' }>,
  response: HttpResponse,
  options: RespondOptions,
): Promise<Sent> {
  const { request } = context;
  const encoding = encodeContextOf(request, resource, options.clock);
  const contentType = contentTypes[encoding.format.media];
  const isProtobuf = encoding.format.media === 'protobuf';
  const inMessages = asksForWebSocket(request);
  const out = inMessages
    ? await openWebSocket(request, isProtobuf ? protobufEventMessages : jsonEventMessages)
    : response.open(200, {
        ...headersOf(context),
        'content-type': isProtobuf ? `${contentType};stream=watch` : contentType,
      });
  const running = session.run(
    new HttpWatchSink({
      resource,
      out,
      context: () => ({ ...encoding, nowMs: options.clock.now() }),
      wantsBookmarks: isTrue(request.query.get('allowWatchBookmarks')),
      onSlow: () => options.onSlowWatcher(context),
      onSent: (count, sizeBytes) => options.onEvents(resource, count, sizeBytes),
    }),
  );
  await running.finally(() => context.whenOver?.());
  return { status: inMessages ? 101 : 200, sizeBytes: 0 };
}
