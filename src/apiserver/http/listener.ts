/** The TLS listener: HTTP/2 by its stream API, HTTP/1.1 for older clients and for upgrades, one request type for both. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../base/logger.ts';
import { Http1Request, Http2Request } from './request/http-request.ts';
import {
  Http1Response,
  Http2Response,
  type HttpResponse,
  UpgradeResponse,
} from './response/http-response.ts';

/** Bytes of all headers of one request. */
const headerBytesMax = 1024 * 1024;
/** Requests that one HTTP/2 connection may have under way. */
const streamsPerConnectionMax = 1000;
const headTimeoutMsDefault = 32_000;
/**
 * How long an HTTP/1.1 connection stays without a request, as upstream's: clients of Go keep theirs as long, and one that
 * sends just when the server hangs up cannot know whether its write was done.
 */
const idleTimeoutMs = 90_000;
/** Bytes that an HTTP/2 client may send on one stream before it must wait for us. */
const streamWindowBytes = 1024 * 1024;
/** The same on all streams of a connection: with the window of one they would wait for each other. */
const connectionWindowBytes = 16 * streamWindowBytes;
const headersPerRequestMax = 1000;
/** How long a connection is quiet before TCP asks whether the other end is still there. */
const keepAliveProbeMs = 30_000;

/** Strong ones only; the cheapest of them first. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export interface ListenerOptions {
  host: string;
  port: number;
  cert: string;
  key: string;
  /** CAs whose client certificates are believed. */
  clientCa: string;
  /** Time for the TLS handshake, and for the whole head of an HTTP/1.1 request; upstream's 32 s when absent. */
  headTimeoutMs?: number;
  logger: Logger;
  handle(request: Http1Request | Http2Request, response: HttpResponse): void;
  /** Called for each connection that was given up before a request could be sent over it. */
  onHandshakeError?(): void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** For new connections. */
  setCertificate(cert: string, key: string): void;
  /** Ends open connections after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

export async function listen(options: ListenerOptions): Promise<Listener> {
  const { headTimeoutMs = headTimeoutMsDefault } = options;
  const server = createSecureServer({
    allowHTTP1: true,
    cert: options.cert,
    key: options.key,
    ca: options.clientCa,
    ciphers,
    honorCipherOrder: true,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: headTimeoutMs,
    maxHeaderListPairs: headersPerRequestMax,
    settings: {
      maxConcurrentStreams: streamsPerConnectionMax,
      initialWindowSize: streamWindowBytes,
      maxHeaderListSize: headerBytesMax,
    },
    ...{ maxHeaderSize: headerBytesMax, connectionsCheckingInterval: Math.min(headTimeoutMs, 10_000) },
  });
  // Node's compatibility layer for HTTP/1.1 does not take these among the options.
  Object.assign(server, { headersTimeout: headTimeoutMs, keepAliveTimeout: idleTimeoutMs });
  const sockets = trackSockets(server);
  serveRequests(server, options);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => options.logger.error('listener', { error }));
  const { port } = server.address() as AddressInfo;
  return {
    host: options.host,
    port,
    setCertificate: (cert, key) => server.setSecureContext({ cert, key, ca: options.clientCa }),
    close: (graceMs = 0) => closeServer(server, sockets, graceMs),
  };
}

function serveRequests(
  server: Http2SecureServer,
  { handle, onHandshakeError, logger }: ListenerOptions,
): void {
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.httpVersionMajor >= 2) return;
    handle(new Http1Request(request, response), new Http1Response(request, response));
  });
  // Adding a request listener has put node's compatibility layer on every stream: HTTP/2 goes without it.
  server.removeAllListeners('stream');
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', (error: Error) => logger.debug('stream', { error }));
    const response = new Http2Response(stream);
    handle(new Http2Request(stream, headers), response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error: Error) => logger.debug('upgraded connection', { error }));
    handle(new Http1Request(request, socket, { socket, head }), new UpgradeResponse(socket));
  });
  server.on('sessionError', (error: Error) => logger.debug('session', { error }));
  server.on('tlsClientError', (error: Error) => {
    onHandshakeError?.();
    logger.debug('tls handshake', { error });
  });
  server.on('session', (session) => {
    session.on('error', (error: Error) => logger.debug('session', { error }));
    session.setLocalWindowSize(connectionWindowBytes);
  });
  // A server-wide timeout of nothing-happened would cut quiet watches.
  server.setTimeout(0);
}

function trackSockets(server: Http2SecureServer): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveProbeMs);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  return sockets;
}

function closeServer(server: Http2SecureServer, sockets: Set<Socket>, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    if (graceMs === 0) for (const socket of sockets) socket.destroy();
  });
}
