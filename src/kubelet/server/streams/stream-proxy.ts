/**
 * Streams between a client and a container (exec, attach, port-forward). The runtime itself serves SPDY and older
 * WebSocket protocols: such a stream is passed through byte by byte, and port-forward's SPDY within WebSocket is
 * unwrapped. What needs more than that is in stream-translation.ts.
 */
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { joinStreams } from '../../../base/async/join-streams.ts';
import { http } from '../../../base/system/node-http.ts';
import {
  acceptWebSocket,
  sendPaced,
  tunnelProtocol,
  type Upgrade,
  webSocketProtocols,
} from './client-streams.ts';

/** Passes the client's own upgrade on to the runtime's URL, and then every byte in both directions. */
export function relayUpgrade({ request, client, head }: Upgrade, url: string): void {
  const target = new URL(url);
  const upstream = connect({ host: target.hostname, port: Number(target.port) });
  upstream.setNoDelay(true);
  const lines = [`${request.method} ${target.pathname}${target.search} HTTP/1.1`, `Host: ${target.host}`];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index]!;
    if (!/^(host|authorization|content-length|x-forwarded-.*)$/i.test(name))
      lines.push(`${name}: ${request.rawHeaders[index + 1]}`);
  }
  if (request.method === 'POST') lines.push('Content-Length: 0');
  upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
  if (head.length > 0) upstream.write(head);
  joinStreams(client, upstream);
}

/** An upgraded SPDY connection to the runtime. @throws Error with the runtime's answer, when it is another */
export function openSpdy(url: string, protocol: string): Promise<{ socket: Socket; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method: 'POST',
      headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': protocol },
    });
    request.on('upgrade', (_response, socket, head) => resolve({ socket: socket as Socket, head }));
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      // It closed in the middle of its answer.
      response.on('error', reject);
      response.on('end', () =>
        reject(new Error(Buffer.concat(parts).toString() || `status ${response.statusCode}`)),
      );
    });
    request.on('error', reject);
    request.end();
  });
}

export function speaksTunnel(request: IncomingMessage): boolean {
  return webSocketProtocols(request).includes(tunnelProtocol);
}

/** Port-forward's SPDY stream, carried in WebSocket messages. */
export async function tunnelPortForward(upgrade: Upgrade, url: string): Promise<void> {
  const { socket, head: first } = await openSpdy(url, 'portforward.k8s.io');
  const webSocket = await acceptWebSocket(upgrade, socket);
  socket.setNoDelay(true);
  if (first.length > 0) socket.unshift(first);
  webSocket.on('message', (data: Buffer) => {
    if (!socket.write(data)) {
      webSocket.pause();
      socket.once('drain', () => webSocket.resume());
    }
  });
  webSocket.on('close', () => socket.destroy());
  webSocket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => sendPaced(webSocket, chunk, socket));
  socket.on('close', () => webSocket.close(1000));
  socket.on('error', () => webSocket.terminate());
  webSocket.resume();
}
