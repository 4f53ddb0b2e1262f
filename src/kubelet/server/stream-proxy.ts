/**
 * Streams between a client and a container (exec, attach, port-forward). The runtime serves SPDY and older WebSocket
 * protocols itself: such a stream is passed through byte by byte. What it does not speak is spoken here: the fifth
 * version of the WebSocket protocol (with half-closed streams) and port-forward's SPDY within WebSocket.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { SpdySession, type SpdyStream } from './spdy-session.ts';

export interface StreamRequest {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

const v5Protocol = 'v5.channel.k8s.io';
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';

export function webSocketProtocols(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
}

/** Passes the client's own upgrade on to the runtime's URL, and from then on every byte both ways. */
export function relayUpgrade(request: IncomingMessage, client: Duplex, head: Buffer, url: string): void {
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
  join(client, upstream);
}

/** Half-closes travel through; an error on one side ends the other. */
export function join(a: Duplex, b: Duplex): void {
  a.pipe(b);
  b.pipe(a);
  const end = () => {
    a.destroy();
    b.destroy();
  };
  a.on('error', end);
  b.on('error', end);
  a.on('close', () => b.destroy());
  b.on('close', () => a.destroy());
  // Whoever left before this moment tells nobody any more.
  if (a.destroyed || b.destroyed) end();
}

/** An upgraded SPDY connection to the runtime. @throws Error with what the runtime answered instead */
function openSpdy(url: string, protocol: string): Promise<{ socket: Socket; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, {
      method: 'POST',
      headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': protocol },
    });
    request.on('upgrade', (_response, socket, head) => resolve({ socket: socket as Socket, head }));
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        reject(new Error(Buffer.concat(parts).toString() || `status ${response.statusCode}`)),
      );
    });
    request.on('error', reject);
    request.end();
  });
}

const webSockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 32 * 1024 * 1024,
  handleProtocols: (offered) => (offered.has(v5Protocol) ? v5Protocol : tunnelProtocol),
});

/**
 * Paused: what the client says at once must wait for its listeners. The runtime's side ends when the client leaves
 * before. @throws Error when it does
 */
function accept(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  runtimeSide: Duplex,
): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const left = () => {
      runtimeSide.destroy();
      reject(new Error('the client left before its stream was open'));
    };
    if (client.destroyed) return left();
    client.once('close', left);
    webSockets.handleUpgrade(request, client, head, (webSocket) => {
      client.off('close', left);
      webSocket.pause();
      resolve(webSocket);
    });
  });
}

export function speaksV5(request: IncomingMessage): boolean {
  return webSocketProtocols(request).includes(v5Protocol);
}

export function speaksTunnel(request: IncomingMessage): boolean {
  return webSocketProtocols(request).includes(tunnelProtocol);
}

/** Port-forward's SPDY stream, carried in WebSocket messages. */
export async function tunnelPortForward(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  url: string,
): Promise<void> {
  const { socket, head: first } = await openSpdy(url, 'portforward.k8s.io');
  const webSocket = await accept(request, client, head, socket);
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

/** More than this unsent stops the reading of the other side. */
const bufferedMaxBytes = 1024 * 1024;

function sendPaced(webSocket: WebSocket, data: Buffer, source: { pause(): void; resume(): void }): void {
  if (webSocket.readyState !== webSocket.OPEN) return;
  webSocket.send(data, () => {
    if (webSocket.bufferedAmount < bufferedMaxBytes / 2) source.resume();
  });
  if (webSocket.bufferedAmount > bufferedMaxBytes) source.pause();
}

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Exec or attach in the fifth WebSocket protocol, translated to the runtime's SPDY streams. */
export async function translateV5(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  url: string,
  wanted: StreamRequest,
): Promise<void> {
  const { socket, head: first } = await openSpdy(url, 'v4.channel.k8s.io');
  socket.setNoDelay(true);
  if (first.length > 0) socket.unshift(first);
  const session = new SpdySession(socket);
  const webSocket = await accept(request, client, head, socket);
  const fromClient = new Map<number, SpdyStream>();
  const finished = new Set<string>();

  const open = async (streamType: keyof typeof channels) => {
    const stream = await session.open({ streamType });
    if (streamType === 'stdin' || streamType === 'resize') fromClient.set(channels[streamType], stream);
    else
      stream.onData = (data) =>
        sendPaced(webSocket, Buffer.concat([Buffer.from([channels[streamType]]), data]), session);
    return stream;
  };
  const error = await open('error');
  const outputs: SpdyStream[] = [];
  // The runtime waits for all of these before it starts anything.
  if (wanted.stdin) await open('stdin');
  if (wanted.stdout) outputs.push(await open('stdout'));
  if (wanted.stderr && !wanted.tty) outputs.push(await open('stderr'));
  if (wanted.tty) await open('resize');

  const all = [error, ...outputs];
  const closeWhenDone = (stream: SpdyStream) => {
    finished.add(String(stream.id));
    if (finished.size < all.length) return;
    webSocket.close(1000);
    session.close();
  };
  for (const stream of all) stream.onEnd = () => closeWhenDone(stream);
  session.onClose = () => webSocket.close(1000);

  webSocket.on('message', (message: Buffer) => {
    const channel = message[0];
    if (channel === channels.close) {
      fromClient.get(message[1] ?? -1)?.end();
      return;
    }
    const stream = fromClient.get(channel ?? -1);
    if (!stream || message.length < 2) return;
    if (!stream.write(message.subarray(1))) {
      webSocket.pause();
      void session.drained().then(() => webSocket.resume());
    }
  });
  webSocket.on('close', () => session.close());
  webSocket.on('error', () => session.close());
  webSocket.resume();
}
