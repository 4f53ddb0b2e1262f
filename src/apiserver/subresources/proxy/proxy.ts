/** `pods/proxy`, `services/proxy` and `nodes/proxy`: any request, carried to what the path names. */
import type { IncomingMessage } from 'node:http';
import { type Duplex, Readable } from 'node:stream';
import { Pod } from '../../../api/resources.gen.ts';
import { badRequest, notFound, serviceUnavailable } from '../../../api/status.ts';
import type { Random } from '../../../base/random.ts';
import { chooseEndpoint, connectEndpoint } from '../../nodes/endpoints.ts';
import { exchange, relayUpgrade } from '../../nodes/http-over.ts';
import type { NodeConnector } from '../../nodes/node-connector.ts';
import { unverifiedTls } from '../../nodes/unverified-tls.ts';
import type { ObjectReader } from '../../object-reader.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { SubresourceHandler } from '../handlers.ts';
import { rewriteHtml, rewriteLocation } from './rewrite.ts';

export interface ProxyOptions {
  objects: ObjectReader;
  nodes: NodeConnector;
  random: Random;
  handshakeTimeoutMs?: number;
}

/** A name as proxy paths have it: `[scheme:]name[:port]`. */
interface ProxyTarget {
  scheme: string;
  name: string;
  port: string;
}

interface Backend {
  connect(): Promise<Duplex>;
  /** What the backend is called in Host headers. */
  host: string;
}

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

/** Upstream's: a pod that accepts the connection and sends nothing would hold the request forever. */
const handshakeTimeoutMsDefault = 10_000;

export function serveProxy(kind: 'pods' | 'services' | 'nodes', options: ProxyOptions): SubresourceHandler {
  return async (_registry, context) => {
    const { info, request } = context;
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const target = parseTarget(info.name);
    const backend = backendOf(kind, options, info.namespace, target);
    if (info.rest === '' && isRead) return redirectToSlash(context);
    const rest = info.rest || '/';
    const path = request.search ? `${rest}?${request.search}` : rest;
    const prefix = prefixOf(context);
    const socket = await backend.connect();
    if (request.upgrade) {
      const { authorization: _, host: _host, ...headers } = request.headers();
      return relayUpgrade(request.upgrade, socket, {
        method: request.method,
        path,
        headers: { host: backend.host, ...headers },
        signal: request.signal,
      });
    }
    const answer = await exchange(socket, {
      method: request.method,
      path,
      headers: { host: backend.host, ...forwardedHeaders(context, prefix) },
      ...(!isRead && request.bodyStream && { body: request.bodyStream() }),
      signal: request.signal,
    });
    return passOn(answer, prefix, backend.host);
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

function parseTarget(text: string): ProxyTarget {
  const parts = text.split(':');
  const [first = '', second = '', third = ''] = parts;
  if (parts.length === 1) return { scheme: '', name: first, port: '' };
  if (parts.length === 2) return { scheme: '', name: first, port: second };
  if (parts.length === 3 && (first === '' || first === 'http' || first === 'https'))
    return { scheme: first, name: second, port: third };
  throw badRequest(`invalid service request ${JSON.stringify(text)}`);
}

function backendOf(
  kind: 'pods' | 'services' | 'nodes',
  { objects, nodes, random, handshakeTimeoutMs = handshakeTimeoutMsDefault }: ProxyOptions,
  namespace: string,
  target: ProxyTarget,
): Backend {
  if (kind === 'nodes') return { host: target.name, connect: () => nodes.connect(target.name) };
  if (kind === 'services') {
    const endpoint = chooseEndpoint(objects, random, { ...target, namespace });
    const connect = () => connectEndpoint(objects, nodes, endpoint);
    return secured(target, handshakeTimeoutMs, { host: `${endpoint.address}:${endpoint.port}`, connect });
  }
  const pod = objects.get(Pod, namespace, target.name);
  if (!pod) throw notFound(Pod, target.name);
  const address = pod.status?.podIP;
  const nodeName = pod.spec?.nodeName;
  if (!address || !nodeName) throw serviceUnavailable('address not allowed');
  const port = Number(target.port || firstPort(pod) || (target.scheme === 'https' ? 443 : 80));
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw badRequest(`invalid pod request ${JSON.stringify(target.name)}`);
  return secured(target, handshakeTimeoutMs, {
    host: `${address}:${port}`,
    connect: () => nodes.tunnel(nodeName, address, port),
  });
}

function firstPort(pod: Pod): number | undefined {
  for (const { ports } of pod.spec?.containers ?? []) if (ports?.[0]) return ports[0].containerPort;
  return undefined;
}

/** `https:` in the path: TLS to the backend, whose certificate cannot be verified. */
function secured({ scheme }: ProxyTarget, handshakeTimeoutMs: number, backend: Backend): Backend {
  if (scheme !== 'https') return backend;
  return {
    ...backend,
    connect: async () => unverifiedTls(await backend.connect(), handshakeTimeoutMs),
  };
}

/** The part before the target's own path in the client's URLs. */
function prefixOf({ info }: RequestContext): string {
  return info.path.slice(0, info.path.length - info.rest.length);
}

function forwardedHeaders(
  { request, info }: RequestContext,
  prefix: string,
): Record<string, string | string[] | undefined> {
  const headers: Record<string, string | string[] | undefined> = {};
  for (const [name, value] of Object.entries(request.headers()))
    if (!name.startsWith(':') && !hopByHop.has(name)) headers[name] = value;
  // Compressed pages could not be rewritten.
  if (request.header('accept')?.includes('text/html')) delete headers['accept-encoding'];
  headers['x-forwarded-for'] = [request.header('x-forwarded-for'), request.remoteAddress]
    .filter(Boolean)
    .join(', ');
  headers['x-forwarded-uri'] = prefix + info.rest;
  headers['x-forwarded-host'] = request.header('host') ?? request.header(':authority');
  headers['x-forwarded-proto'] = 'https';
  return headers;
}

/** The whole page; or, when it turns out too large to be rewritten, all of it as a stream. */
async function readPage(answer: IncomingMessage): Promise<string | Readable> {
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

async function passOn(answer: IncomingMessage, prefix: string, host: string): Promise<ApiResponse> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers))
    if (value !== undefined && !hopByHop.has(name)) headers[name] = value;
  if (typeof headers.location === 'string')
    headers.location = rewriteLocation(headers.location, prefix, host);
  const status = answer.statusCode ?? 502;
  const isPage = answer.headers['content-type']?.startsWith('text/html') ?? false;
  const size = Number(answer.headers['content-length'] ?? 0);
  if (!isPage || answer.headers['content-encoding'] || size > rewriteBytesMax)
    return { type: 'stream', status, headers, body: answer };
  const page = await readPage(answer);
  if (page instanceof Readable) return { type: 'stream', status, headers, body: page };
  const body = rewriteHtml(page, prefix, host);
  delete headers['content-length'];
  return {
    type: 'raw',
    status,
    contentType: String(headers['content-type']),
    body,
    headers: headers as Record<string, string>,
  };
}
