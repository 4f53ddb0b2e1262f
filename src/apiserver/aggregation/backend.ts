/** One aggregated API server: how it is reached, and how the identity of the caller is passed to it. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { type APIService, Service } from '../../api/resources.gen.ts';
import { joinHostPort } from '../../base/text/host-port.ts';
import { forwardedFor } from '../http/forwarded-for.ts';
import type { ObjectReader } from '../object-reader.ts';
import { connectInTime } from '../outgoing/connect-in-time.ts';
import type { DialService } from '../outgoing/dial-service.ts';
import { exchange, relayUpgrade } from '../outgoing/http-over.ts';
import { UnreachableError } from '../outgoing/unreachable.ts';
import { connectVerified } from '../outgoing/verified-tls.ts';
import type { ApiResponse, RequestContext, UserInfo } from '../request.ts';

/**
 * The certificate by which an aggregated server knows that headers about the user come from us. Read for every
 * connection, as it may be renewed.
 */
export interface FrontProxyIdentity {
  /** PEM. */
  cert: string;
  key: string;
  /** Of the signing authority, which is that of all clients. */
  ca: string;
}

export interface BackendOptions {
  dialService: DialService;
  frontProxy: FrontProxyIdentity | undefined;
}

const defaultPort = 443;
/** Headers that mean the connection, or that only we may set. */
const dropped =
  /^(:.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade|host|authorization|http2-settings|x-remote-.*)$/;

/** `host:port` of a service as the server's messages name it. */
export function serviceAddress(objects: ObjectReader, { spec }: APIService): string {
  const { namespace = '', name = '', port = defaultPort } = spec.service ?? {};
  const { clusterIP = '', externalName } = objects.get(Service, namespace, name)?.spec ?? {};
  const host = externalName ?? (isIP(clusterIP) ? clusterIP : `${name}.${namespace}.svc`);
  return joinHostPort(host, port);
}

/** An encrypted connection to the service behind an APIService. @throws Error saying why there is none */
export async function connectBackend(
  { spec }: APIService,
  { dialService, frontProxy }: BackendOptions,
  signal: AbortSignal,
): Promise<Duplex> {
  const { namespace = '', name = '', port = defaultPort } = spec.service ?? {};
  return await connectVerified(
    {
      socket: await connectInTime(dialService(namespace, name, port), signal),
      servername: `${name}.${namespace}.svc`,
      rejectUnauthorized: spec.insecureSkipTLSVerify !== true,
      ...(spec.caBundle && { ca: Buffer.from(spec.caBundle, 'base64') }),
      ...(frontProxy && { cert: frontProxy.cert, key: frontProxy.key }),
      ALPNProtocols: ['http/1.1'],
    },
    signal,
  );
}

/** Carries a request to the aggregated server, upgrades included. */
export async function forward(
  service: APIService,
  context: RequestContext,
  options: BackendOptions,
): Promise<ApiResponse> {
  const { request } = context;
  const connected = await connectBackend(service, options, request.signal).catch(unreached);
  if ('type' in connected) return connected;
  const socket = connected;
  const path = request.search ? `${request.path}?${request.search}` : request.path;
  const { namespace, name } = service.spec.service!;
  const host = `${name}.${namespace}.svc`;
  const headers = {
    ...passedHeaders(context),
    ...originHeaders(context, host),
    host,
    ...identityHeaders(context.user),
  };
  if (request.upgrade) {
    const { protocol: upgrade } = request.upgrade;
    return relayUpgrade(request.upgrade, socket, {
      method: request.method,
      path,
      headers: { ...headers, upgrade },
      signal: request.signal,
    });
  }
  const shareClosed = context.leaveSeat?.();
  const body = bodyOf(context);
  const answer = await exchange(socket, {
    method: request.method,
    path,
    headers,
    ...(body && { body }),
    signal: shareClosed ? AbortSignal.any([request.signal, shareClosed]) : request.signal,
  });
  return streamed(answer);
}

/** As upstream's proxy, which answers by itself and not as the API does. */
function unreached(error: Error): ApiResponse {
  const why = error instanceof UnreachableError ? error.why : error.message;
  return {
    type: 'raw',
    status: 503,
    contentType: 'text/plain; charset=utf-8',
    headers: { 'x-content-type-options': 'nosniff' },
    body: `${why}\n`,
  };
}

/** The headers from which an aggregated server takes its user (requestheader authentication). */
export function identityHeaders({ name, uid, groups, extra }: UserInfo): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'x-remote-user': name, 'x-remote-group': [...groups] };
  if (uid) headers['x-remote-uid'] = uid;
  for (const [key, values] of Object.entries(extra ?? {})) {
    headers[`x-remote-extra-${encodeURIComponent(key.toLowerCase())}`] = [...values];
  }
  return headers;
}

/** Where the request comes from, and by which name both audit logs have it. */
function originHeaders({ request, auditId }: RequestContext, host: string): Record<string, string> {
  const from = forwardedFor(request);
  return {
    ...(from && { 'x-forwarded-for': from }),
    'x-forwarded-host': host,
    'x-forwarded-proto': 'https',
    'x-forwarded-uri': request.path,
    'audit-id': auditId,
  };
}

function passedHeaders({ request }: RequestContext): Record<string, string | string[] | undefined> {
  const headers: Record<string, string | string[] | undefined> = {};
  // What the client calls a matter of its connection to us.
  const ofConnection = (request.header('connection') ?? '').toLowerCase().split(/\s*,\s*/);
  for (const [name, value] of Object.entries(request.headers()))
    if (!dropped.test(name) && !ofConnection.includes(name)) headers[name] = value;
  if (request.localBody) headers['content-type'] = 'application/json';
  return headers;
}

function bodyOf({ request }: RequestContext): Readable | undefined {
  if (request.localBody) return Readable.from([JSON.stringify(request.localBody.value)]);
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  return hasBody ? request.bodyStream?.() : undefined;
}

function streamed(answer: IncomingMessage): ApiResponse {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !dropped.test(name)) headers[name] = value;
  }
  return { type: 'stream', status: answer.statusCode ?? 502, headers, body: answer };
}
