/** `pods/proxy`, `services/proxy` and `nodes/proxy`: any request, carried to what the path names. */
import type { IncomingMessage } from 'node:http';
import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createInflateRaw } from 'node:zlib';
import { internalError, methodNotAllowed } from '../../../api/status.ts';
import { forwardedFor } from '../../http/forwarded-for.ts';
import { exchange, relayUpgrade } from '../../outgoing/http-over.ts';
import { dialedForUpgrade } from '../../outgoing/unreachable.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { SubresourceHandler } from '../handlers.ts';
import { escapePath, type LinkBase, rewriteHtml, rewriteLocation } from './rewrite.ts';
import { findBackend, type ProxiedKind, type TargetOptions } from './target.ts';

/** Headers that mean the connection, not the request. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'authorization',
  'http2-settings',
]);

/** Pages larger than this pass without their links being rewritten. */
const rewriteBytesMax = 4 * 1024 * 1024;

/** Others are for the API itself. */
const methods = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']);

/** A pod cannot allow scripts of other sites to read what comes from the API's address. */
const forBrowsersOnly = new Set([
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
]);

/** Of encodings in which a page can be read. */
const decoders = new Map<string, (() => Transform) | undefined>([
  ['', undefined],
  ['gzip', createGunzip],
  ['deflate', createInflateRaw],
]);

export function serveProxy(kind: ProxiedKind, options: TargetOptions): SubresourceHandler {
  return async (_registry, context) => {
    const { info, request } = context;
    if (!methods.has(request.method)) throw methodNotAllowed();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const { upgrade } = request;
    const find = () => findBackend(kind, options, info);
    const backend = upgrade ? await dialedForUpgrade(async () => find()) : find();
    if (info.rest === '' && isRead && !upgrade) return redirectToSlash(context);
    const rest = targetPath(info.rest);
    const path = request.search ? `${rest}?${request.search}` : rest;
    const prefix = prefixOf(context);
    const forwarded = { method: request.method, path, signal: request.signal };
    if (upgrade) {
      const target = await dialedForUpgrade(() => backend.connect());
      return relayUpgrade(upgrade, target, { ...forwarded, headers: upgradeHeaders(context) });
    }
    const socket = await backend.connect();
    const answer = await exchange(socket, {
      ...forwarded,
      headers: forwardedHeaders(context, prefix + rest),
      ...(!isRead && request.bodyStream && { body: request.bodyStream() }),
    });
    const hosts = { backend: backend.host, client: clientHost(context) };
    return passOn(answer, { prefix, hosts, isHead: request.method === 'HEAD' });
  };
}

/** Relative links of a page only work below a slash. */
function redirectToSlash({ info, request }: RequestContext): ApiResponse {
  const location = `${info.path}/${request.search ? `?${request.search}` : ''}`;
  return {
    type: 'raw',
    status: 301,
    contentType: 'text/plain; charset=utf-8',
    body: '',
    headers: { location },
  };
}

/** The part before the target's own path in the client's URLs. */
function prefixOf({ info }: RequestContext): string {
  return info.path.slice(0, info.path.length - info.rest.length);
}

function clientHost({ request }: RequestContext): string {
  return request.header('host') ?? request.header(':authority') ?? '';
}

type Headers = Record<string, string | string[] | undefined>;

/** The path as the target gets it: escapes are undone as far as a path allows, and slashes are single. Pure. */
export function targetPath(rest: string): string {
  try {
    const parts = decodeURIComponent(rest).split('/').filter(Boolean);
    return parts.length === 0 ? '/' : `/${escapePath(parts.join('/'))}${rest.endsWith('/') ? '/' : ''}`;
  } catch {
    return rest || '/'; // no valid escape: the target may know what it means
  }
}

function upgradeHeaders(context: RequestContext): Headers {
  const { authorization: _, host: _host, ...headers } = context.request.headers();
  return { ...headers, host: clientHost(context), 'x-forwarded-for': forwardedFor(context.request) };
}

function forwardedHeaders(context: RequestContext, uri: string): Headers {
  const { request } = context;
  const headers: Headers = {};
  for (const [name, value] of Object.entries(request.headers()))
    if (!name.startsWith(':') && !hopByHop.has(name)) headers[name] = value;
  // Of the encodings that a page may have, these can be undone for its links to be rewritten.
  if (request.header('accept')?.includes('text/html')) headers['accept-encoding'] = 'gzip';
  headers.host = clientHost(context);
  headers['x-forwarded-for'] = forwardedFor(context.request);
  headers['x-forwarded-uri'] = uri;
  return headers;
}

/** The whole page; or, when it turns out too large to be rewritten, all of it as a stream. */
async function readPage(answer: Readable): Promise<string | Readable> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes > rewriteBytesMax) return Readable.from(continued(chunks, answer), { objectMode: false });
  }
  return Buffer.concat(chunks).toString();
}

async function* continued(read: readonly Buffer[], rest: Readable): AsyncGenerator<Buffer> {
  yield* read;
  yield* rest as AsyncIterable<Buffer>;
}

async function passOn(
  answer: IncomingMessage,
  { isHead, ...base }: LinkBase & { isHead: boolean },
): Promise<ApiResponse> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers))
    if (value !== undefined && !hopByHop.has(name) && !forBrowsersOnly.has(name)) headers[name] = value;
  // What a pod says must not be taken for the API's own answer by a cache that both share.
  if (answer.headers['cache-control'])
    headers['cache-control'] = ['no-cache, private', answer.headers['cache-control']];
  const status = answer.statusCode ?? 502;
  const asItIs: ApiResponse = { type: 'stream', status, headers, body: answer };
  if (typeof headers.location === 'string') {
    headers.location = rewriteLocation(headers.location, base);
    return asItIs;
  }
  const encoding = answer.headers['content-encoding'] ?? '';
  const isPage = /^\s*text\/html\s*(;|$)/.test(answer.headers['content-type'] ?? '');
  const size = Number(answer.headers['content-length'] ?? 0);
  if (isHead || !isPage || !decoders.has(encoding) || size > rewriteBytesMax) return asItIs;
  delete headers['content-length'];
  const decode = decoders.get(encoding);
  const plain = decode ? pipeline(answer, decode(), () => undefined) : answer;
  delete headers['content-encoding'];
  const page = await readPage(plain).catch((error: Error) => {
    throw internalError(error.message, { cause: error });
  });
  if (page instanceof Readable) return { type: 'stream', status, headers, body: page };
  return {
    type: 'raw',
    status,
    contentType: String(headers['content-type']),
    body: rewriteHtml(page, base),
    headers: headers as Record<string, string>,
  };
}
