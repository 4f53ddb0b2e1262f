/**
 * A thread with a server that does nothing: Node's own, over TLS, which answers requests as an API server would answer
 * them, from memory, without looking at who asks, checking an object or storing one.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface BareServerOptions {
  cert: string;
  key: string;
  clientCa: string;
  /** What a list has. */
  listLength: number;
}

/** Events wait this long for others, as they do at the end of a busy watch (src/apiserver/watch-cache/watch-group.ts). */
const flushPauseMs = 25;

const { cert, key, clientCa, listLength } = workerData as BareServerOptions;
const watchers = new Set<ServerResponse>();
let object = Buffer.from('{}');
let pending: Buffer[] = [];

const server = createServer({ cert, key, ca: clientCa, requestCert: true }, (request, response) => {
  const { method, url } = request;
  if (method === 'GET') answer(response, url!);
  else void take(request, response);
}).listen(0, '127.0.0.1');
await once(server, 'listening');
parentPort!.postMessage((server.address() as AddressInfo).port);

function answer(response: ServerResponse, url: string): void {
  if (url.includes('watch=true')) {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    watchers.add(response);
    response.on('close', () => watchers.delete(response));
  } else if (url.includes('limit=')) {
    send(response, 200, Buffer.concat(Array.from({ length: listLength }, () => object)));
  } else send(response, 200, object);
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  if (request.method === 'POST') {
    object = body;
    if (watchers.size > 0) show(body);
  }
  send(response, request.method === 'POST' ? 201 : 200, object);
}

function send(response: ServerResponse, status: number, body: Buffer): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
}

function show(body: Buffer): void {
  pending.push(Buffer.from('{"type":"ADDED","object":'), body, Buffer.from('}\n'));
  if (pending.length === 3) setTimeout(flush, flushPauseMs);
}

function flush(): void {
  const bytes = Buffer.concat(pending);
  pending = [];
  for (const watcher of watchers) watcher.write(bytes);
}
