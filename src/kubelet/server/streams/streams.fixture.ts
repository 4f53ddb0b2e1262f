/** Both ends of a stream to a container: the runtime's server, and a client that speaks SPDY. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import type { TestContext } from 'node:test';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { Upgrade } from './client-streams.ts';
import { SpdySession, type SpdyStream } from './spdy-session.ts';

/** A runtime's streaming server: what it receives by stream, and the streams to answer on. */
export async function fakeRuntime(context: TestContext): Promise<{
  url: string;
  heard: string[];
  streams: Map<string, SpdyStream>;
  hangUp: () => void;
}> {
  const heard: string[] = [];
  const streams = new Map<string, SpdyStream>();
  let connection: Duplex | undefined;
  const server = createServer();
  server.on('upgrade', (_request, socket) => {
    connection = socket;
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n');
    new SpdySession(socket, (stream, { streamtype: name = '' }) => {
      streams.set(name, stream);
      stream.onData = (data) => heard.push(`${name} ${JSON.stringify(data.toString())}`);
      stream.onEnd = () => heard.push(`${name} ends`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    connection?.destroy();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/attach/token`;
  return { url, heard, streams, hangUp: () => connection?.destroy() };
}

/** kubectl's side of an upgrade to SPDY, after the response. */
export async function spdyClient(begin: (upgrade: Upgrade) => Promise<void>): Promise<SpdySession> {
  const [near, far] = duplexPair();
  const request = { headers: { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' } };
  const answered = new Promise<void>((resolve, reject) => {
    near.once('data', (answer: Buffer) => {
      assert.match(
        answer.toString(),
        /^HTTP\/1\.1 101 .*\r\nX-Stream-Protocol-Version: v4\.channel\.k8s\.io/s,
      );
      resolve();
    });
    void begin(sparse<Upgrade>({ request, client: far, head: Buffer.alloc(0) })).catch(reject);
  });
  await answered;
  return new SpdySession(near);
}

/** All streams of a client without a terminal. */
export async function openAll(
  client: SpdySession,
): Promise<Record<'error' | 'stdin' | 'stdout', SpdyStream>> {
  const [error, stdin, stdout] = await Promise.all(
    ['error', 'stdin', 'stdout', 'stderr'].map((streamType) => client.open({ streamType })),
  );
  return { error: error!, stdin: stdin!, stdout: stdout! };
}
