/** HTTP/1.1 on an existing connection: one exchange, or an upgrade whose bytes are relayed. */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { StatusError } from '../../api/status.ts';
import { joinStreams } from '../../base/async/join-streams.ts';
import { http } from '../../base/system/node-http.ts';
import type { ApiResponse } from '../request.ts';
import { UnreachableError } from './unreachable.ts';

export interface HttpExchange {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string | string[] | undefined>;
  body?: Readable;
  signal?: AbortSignal;
}

/** The head of the answer; its body streams. @throws UnreachableError when the connection breaks before */
export function exchange(socket: Duplex, options: HttpExchange): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(
      Object.entries(options.headers).filter(([, value]) => value !== undefined),
    ) as Record<string, string | string[]>;
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(new UnreachableError(why, { cause }));
    };
    const request = requestOn(socket, {
      method: options.method,
      path: options.path,
      headers: { ...headers, connection: 'close' },
      ...(options.signal && { signal: options.signal }),
    });
    // A tunnel is handed over paused, so that nothing of the answer is lost before there is a listener.
    request.once('socket', () => socket.resume());
    request.once('response', (answer) => {
      const { statusCode = 0 } = answer;
      // Such a status could not be passed on.
      if (statusCode < 200 || statusCode > 999) fail(`unexpected answer ${statusCode}`);
      else resolve(answer);
    });
    request.once('error', (error) => fail(brokenReason(error), error));
    // An upgrade that was not requested is not a valid answer, and Node reports it by no other event.
    request.once('upgrade', (answer) => fail(`unexpected answer ${answer.statusCode}`));
    if (options.body) options.body.pipe(request);
    else request.end();
  });
}

/** Why there is no answer, in the words of Go's libraries where Node says the same. */
function brokenReason({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ECONNRESET' && message === 'socket hang up') return 'EOF';
  if (code?.startsWith('HPE_'))
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response: ${message}`;
  return message;
}

/** @throws what Node reports for an invalid request; the connection is closed then */
function requestOn(socket: Duplex, options: RequestOptions): ClientRequest {
  try {
    return http.request({ ...options, createConnection: () => socket });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** The client's side of an upgrade. */
export interface UpgradingClient {
  socket: Duplex;
  /** What it has sent since its request. */
  head: Buffer;
}

/** Of the request's body, which an upgrade has none of: what follows belongs to the new protocol. */
const bodyHeaders = new Set(['content-length', 'transfer-encoding']);

/**
 * Asks the target to upgrade. Only when it agrees do the client's own bytes reach it: otherwise a client could send
 * further requests on a connection that speaks for this server, or that names another user.
 * A refusal is passed on, and the connection to the target is closed. @throws StatusError 500
 */
export function relayUpgrade(
  client: UpgradingClient,
  target: Duplex,
  { method, path, headers, signal }: Omit<HttpExchange, 'body'>,
): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    const sent = Object.fromEntries(
      Object.entries(headers).filter(([name, value]) => value !== undefined && !bodyHeaders.has(name)),
    ) as Record<string, string | string[]>;
    const request = requestOn(target, { method, path, headers: { ...sent, connection: 'Upgrade' } });
    const fail = (message: string, cause?: unknown) => {
      signal?.removeEventListener('abort', giveUp);
      target.destroy();
      reject(new StatusError(500, '', message, { cause }));
    };
    const giveUp = () => fail('the client left before the connection was upgraded');
    if (signal?.aborted) return giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
    request.once('socket', () => target.resume());
    request.once('error', (error) => fail(brokenReason(error), error));
    request.once('response', (answer) => {
      const { statusCode = 0 } = answer;
      if (statusCode < 400 || statusCode > 999)
        return fail(`invalid upgrade response: status code ${statusCode}`);
      signal?.removeEventListener('abort', giveUp);
      answer.once('close', () => target.destroy());
      resolve({ type: 'stream', status: statusCode, headers: endToEnd(answer), body: answer });
    });
    request.once('upgrade', (answer, socket, early) => {
      signal?.removeEventListener('abort', giveUp);
      client.socket.write(headOf(answer));
      if (early.length > 0) client.socket.write(early);
      if (client.head.length > 0) socket.write(client.head);
      joinStreams(client.socket, socket);
      resolve({ type: 'hijacked' });
    });
    request.end();
  });
}

/** What concerns the answer, not the connection that it came on. */
function endToEnd({ headers }: IncomingMessage): Record<string, string | string[]> {
  const { connection: _, 'keep-alive': _keepAlive, 'transfer-encoding': _encoding, ...rest } = headers;
  return rest as Record<string, string | string[]>;
}

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let index = 0; index < rawHeaders.length; index += 2)
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
