/** HTTP/1.1 on an existing connection: one exchange, or an upgrade whose bytes are relayed. */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { serviceUnavailable } from '../../api/status.ts';
import { joinStreams } from '../../base/async/join-streams.ts';
import { http } from '../../base/system/node-http.ts';

export interface HttpExchange {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string | string[] | undefined>;
  body?: Readable;
  signal?: AbortSignal;
}

/** The head of the answer; its body streams. @throws StatusError 503 when the connection breaks before */
export function exchange(socket: Duplex, options: HttpExchange): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(
      Object.entries(options.headers).filter(([, value]) => value !== undefined),
    ) as Record<string, string | string[]>;
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(serviceUnavailable(`error trying to reach service: ${why}`, { cause }));
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
    request.once('error', (error) => fail(error.message, error));
    // An upgrade that was not requested is not a valid answer, and Node reports it by no other event.
    request.once('upgrade', (answer) => fail(`unexpected answer ${answer.statusCode}`));
    if (options.body) options.body.pipe(request);
    else request.end();
  });
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

/** Writes the head of an upgrade request, and then relays both directions until one side ends. */
export function relayUpgrade(
  client: { socket: Duplex; head: Buffer },
  target: Duplex,
  { method, path, headers }: Pick<HttpExchange, 'method' | 'path' | 'headers'>,
): void {
  const lines = [`${method} ${path} HTTP/1.1`];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${item}`);
  }
  target.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (client.head.length > 0) target.write(client.head);
  joinStreams(client.socket, target);
}
