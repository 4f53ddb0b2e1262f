/** Answers that stream (watches, logs), for clients that ask for a WebSocket: pieces of the body travel as messages. */
import type { IncomingMessage } from 'node:http';
import { Writable } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { badRequest } from '../../../api/status.ts';
import type { ApiRequest } from '../../request.ts';

/** Clients that watch or read send nothing. */
const clientMessageBytesMax = 4096;

/** How bytes become messages. */
export interface Messages {
  /** Subprotocols to choose from, by the client's order; any will do when absent. */
  protocols?: readonly string[];
  /** `base64`: text messages in that encoding. */
  kind(protocol: string): 'text' | 'binary' | 'base64';
  /** Where one message ends and the next begins; whole pieces when absent. */
  split?(piece: Buffer): Iterable<Buffer>;
  /** An empty message is sent first, to signal that the stream is open. */
  opensWithEmpty?: boolean;
}

const base64Protocol = 'base64.binary.k8s.io';

/** Of a stream of bytes without a structure, as upstream's servers offer it. */
export const byteMessages: Messages = {
  protocols: ['', 'binary.k8s.io', base64Protocol],
  kind: (protocol) => (protocol === base64Protocol ? 'base64' : 'binary'),
  opensWithEmpty: true,
};

/** One event a message. */
export const jsonEventMessages: Messages = { kind: () => 'text', split: linesOf };
export const protobufEventMessages: Messages = { kind: () => 'binary', split: framesOf };

export function asksForWebSocket(request: ApiRequest): boolean {
  return request.upgrade?.protocol === 'websocket';
}

/**
 * Takes the connection over; what is written to the result is sent in messages, and its end closes the socket.
 * @throws StatusError 400 when none of the client's subprotocols is supported
 */
export function openWebSocket(request: ApiRequest, messages: Messages): Promise<Writable> {
  const { socket, head } = request.upgrade!;
  const offered = (request.header('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim());
  const chosen = offered.find((name) => messages.protocols?.includes(name) ?? true);
  if (chosen === undefined)
    throw badRequest(`requested protocol(s) are not supported: [${offered.join(' ')}]`);
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: clientMessageBytesMax,
    handleProtocols: () => chosen || false,
  });
  const message = { method: request.method, headers: request.headers() } as IncomingMessage;
  return new Promise((resolve, reject) => {
    const left = () => reject(badRequest('the client left before its WebSocket was open'));
    if (socket.destroyed) return left();
    socket.once('close', left);
    server.handleUpgrade(message, socket, head, (webSocket) => {
      socket.off('close', left);
      resolve(bodyOver(webSocket, messages, chosen));
    });
  });
}

function bodyOver(webSocket: WebSocket, messages: Messages, protocol: string): Writable {
  const kind = messages.kind(protocol);
  const send = (data: Buffer, done?: () => void) =>
    webSocket.send(kind === 'base64' ? data.toString('base64') : data, { binary: kind === 'binary' }, done);
  if (messages.opensWithEmpty) send(Buffer.alloc(0));
  const body = new Writable({
    write(piece: Buffer, _encoding, done) {
      const parts = messages.split ? [...messages.split(piece)] : [piece];
      const last = parts.pop();
      for (const part of parts) send(part);
      // One that is closing takes no more; its `close` ends the body, which is no error.
      if (last) send(last, () => done());
      else done();
    },
    final(done) {
      webSocket.close(1000);
      done();
    },
    destroy(error, done) {
      // After a regular end, it closes once the client has agreed; after an abort, at once.
      if (error || !this.writableFinished) webSocket.terminate();
      done(null);
    },
    autoDestroy: false,
  });
  webSocket.on('close', () => body.destroy());
  webSocket.on('error', () => body.destroy());
  return body;
}

function* linesOf(piece: Buffer): Iterable<Buffer> {
  let start = 0;
  while (start < piece.length) {
    const newline = piece.indexOf(10, start);
    const end = newline < 0 ? piece.length : newline + 1;
    yield piece.subarray(start, end);
    start = end;
  }
}

/** Each is preceded by its length, which a message needs not. */
function* framesOf(piece: Buffer): Iterable<Buffer> {
  let start = 0;
  while (start + 4 <= piece.length) {
    const end = start + 4 + piece.readUInt32BE(start);
    yield piece.subarray(start + 4, end);
    start = end;
  }
}
