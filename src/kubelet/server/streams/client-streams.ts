/**
 * The client's streams of exec and attach, when this server speaks with the client in place of the runtime: version 5
 * of the WebSocket protocol, and SPDY.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { SpdySession, type SpdyStream } from './spdy-session.ts';

/** The client requests some of these; a terminal has a single output and a resize stream. */
export interface StreamRequest {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

export type InputStream = 'stdin' | 'resize';
export type OutputStream = 'error' | 'stdout' | 'stderr';

export interface Pausable {
  pause(): void;
  resume(): void;
}

export interface ClientListener {
  /** The next chunk comes only after the returned promise has resolved. */
  data(stream: InputStream, data: Uint8Array): Promise<void> | undefined;
  /** The client has closed its side of this stream. */
  end(stream: InputStream): void;
  close(): void;
}

export interface ClientStreams {
  /** `source` is paused while the client is slow. */
  send(stream: OutputStream, data: Buffer, source: Pausable): void;
  /** To be called once, soon: what the client has sent in the meantime is delivered first. */
  listen(listener: ClientListener): void;
  /** All outputs have ended. */
  close(): void;
}

/** An upgrade that the client has requested and that is not answered yet. */
export interface Upgrade {
  request: IncomingMessage;
  client: Duplex;
  head: Buffer;
}

const v5Protocol = 'v5.channel.k8s.io';
const spdyProtocol = 'v4.channel.k8s.io';
export const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** With more than this unsent, the other side is no longer read. */
const bufferedBytesMax = 1024 * 1024;
/** The most data accepted before all streams are open; a frame may hold 16 MiB. */
const earlyBytesMax = 32 * 1024 * 1024;
const earlyOverheadBytes = 256;

export function webSocketProtocols(request: IncomingMessage): string[] {
  return listOf(request.headers['sec-websocket-protocol']);
}

export function speaksV5(request: IncomingMessage): boolean {
  return webSocketProtocols(request).includes(v5Protocol);
}

export function speaksSpdy(request: IncomingMessage): boolean {
  return (
    request.headers.upgrade?.toLowerCase() === 'spdy/3.1' &&
    listOf(request.headers['x-stream-protocol-version']).includes(spdyProtocol)
  );
}

const listOf = (header: string | string[] | undefined): string[] =>
  String(header ?? '')
    .split(',')
    .map((name) => name.trim());

const webSockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 32 * 1024 * 1024,
  handleProtocols: (offered) => (offered.has(v5Protocol) ? v5Protocol : tunnelProtocol),
});

/**
 * Paused: what the client sends must wait for its listeners. The runtime's side ends if the client leaves first.
 * @throws Error when it does
 */
export function acceptWebSocket({ request, client, head }: Upgrade, runtimeSide: Duplex): Promise<WebSocket> {
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

export function sendPaced(webSocket: WebSocket, data: Buffer, source: Pausable): void {
  if (webSocket.readyState !== webSocket.OPEN) return;
  webSocket.send(data, () => {
    if (webSocket.bufferedAmount < bufferedBytesMax / 2) source.resume();
  });
  if (webSocket.bufferedAmount > bufferedBytesMax) source.pause();
}

/** @throws Error when the client leaves first */
export async function acceptV5(upgrade: Upgrade, runtimeSide: Duplex): Promise<ClientStreams> {
  const webSocket = await acceptWebSocket(upgrade, runtimeSide);
  return {
    send: (stream, data, source) =>
      sendPaced(webSocket, Buffer.concat([Buffer.from([channels[stream]]), data]), source),
    listen: (listener) => {
      webSocket.on('message', (message: Buffer) => {
        const isEnd = message[0] === channels.close;
        const stream = inputOf(message[isEnd ? 1 : 0]);
        if (!stream) return;
        if (isEnd) return listener.end(stream);
        if (message.length < 2) return;
        const isFull = listener.data(stream, message.subarray(1));
        if (!isFull) return;
        webSocket.pause();
        void isFull.then(() => webSocket.resume());
      });
      webSocket.on('close', () => listener.close());
      webSocket.on('error', () => listener.close());
      webSocket.resume();
    },
    close: () => webSocket.close(1000),
  };
}

function inputOf(channel: number | undefined): InputStream | undefined {
  if (channel === channels.stdin) return 'stdin';
  return channel === channels.resize ? 'resize' : undefined;
}

/** Waits until the client has opened all streams that it requested. @throws Error when it leaves first */
export async function acceptSpdy(
  { client, head }: Upgrade,
  wanted: StreamRequest,
  runtimeSide: Duplex,
): Promise<ClientStreams> {
  const expected = ['error', 'stdin', 'stdout', 'stderr', 'resize'].filter(
    (name) => name === 'error' || wanted[name === 'resize' ? 'tty' : (name as keyof StreamRequest)],
  );
  const streams = new Map<string, SpdyStream>();
  let session!: SpdySession;
  // What arrives before there is a listener, in order.
  const early: ((listener: ClientListener) => void)[] = [];
  let earlyBytes = 0;
  let listener: ClientListener | undefined;
  const deliver = (event: (listener: ClientListener) => void, bytes = 0) => {
    if (listener) return event(listener);
    early.push(event);
    earlyBytes += bytes + earlyOverheadBytes;
    // A client that opens the other streams promptly cannot have sent this much by then.
    if (earlyBytes > earlyBytesMax) session.close();
  };
  await new Promise<void>((resolve, reject) => {
    if (client.destroyed) reject(new Error('the client left before its stream was open'));
    client.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${spdyProtocol}\r\n\r\n`,
    );
    if (head.length > 0) client.unshift(head);
    session = new SpdySession(client, (stream, { streamtype: name = '' }) => {
      streams.set(name, stream);
      if (name === 'stdin' || name === 'resize') {
        stream.onData = (data) => deliver((hearer) => pace(session, hearer.data(name, data)), data.length);
        stream.onEnd = () => deliver((hearer) => hearer.end(name));
      }
      if (expected.every((each) => streams.has(each))) resolve();
    });
    session.onClose = () => {
      if (listener) return listener.close();
      runtimeSide.destroy();
      reject(new Error('the client left before its streams were open'));
    };
  });
  return {
    send: (name, data, source) => {
      if (streams.get(name)?.write(data) !== false) return;
      source.pause();
      void session.drained().then(() => source.resume());
    },
    listen: (given) => {
      listener = given;
      session.onClose = () => given.close();
      for (const event of early.splice(0)) event(given);
    },
    close: () => {
      for (const [name, stream] of streams) if (name !== 'stdin' && name !== 'resize') stream.end();
      session.finish();
    },
  };
}

function pace(session: SpdySession, isFull: Promise<void> | undefined): void {
  if (!isFull) return;
  session.pause();
  void isFull.then(() => session.resume());
}
