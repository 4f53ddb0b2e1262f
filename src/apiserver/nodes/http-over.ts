/** HTTP/1.1 on a connection that stands already: one exchange, or an upgrade whose bytes are relayed. */
import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { serviceUnavailable } from '../../api/status.ts';
import { joinStreams } from '../../base/join-streams.ts';
import { http } from '../../base/node-http.ts';

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
    const request = http.request({
      method: options.method,
      path: options.path,
      headers: { ...headers, connection: 'close' },
      createConnection: () => socket,
      ...(options.signal && { signal: options.signal }),
    });
    // A tunnel is handed over paused, so that nothing of the answer is lost before somebody listens.
    request.once('socket', () => socket.resume());
    request.once('response', resolve);
    request.once('error', (error) => {
      socket.destroy();
      reject(serviceUnavailable(`error trying to reach service: ${error.message}`, { cause: error }));
    });
    if (options.body) options.body.pipe(request);
    else request.end();
  });
}

/** Writes the head of an upgrade request and then lets both sides talk until one of them ends. */
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
