import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { until } from '../../../base/async/until.fixture.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { Upgrade } from './client-streams.ts';
import { SpdySession, type SpdyStream } from './spdy-session.ts';
import { type Translation, translateStreams } from './stream-translation.ts';

/** A runtime's streaming server: what it receives by stream, and the streams to answer on. */
async function fakeRuntime(context: TestContext): Promise<{
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
async function spdyClient(begin: (upgrade: Upgrade) => Promise<void>): Promise<SpdySession> {
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

const withoutTerminal = { stdin: true, stdout: true, stderr: true, tty: false };
const toTerminal: Translation = {
  client: withoutTerminal,
  runtime: { stdin: true, stdout: true, stderr: false, tty: true },
  inputEnd: 'is typed',
};

async function openAll(client: SpdySession): Promise<Record<'error' | 'stdin' | 'stdout', SpdyStream>> {
  const [error, stdin, stdout] = await Promise.all(
    ['error', 'stdin', 'stdout', 'stderr'].map((streamType) => client.open({ streamType })),
  );
  return { error: error!, stdin: stdin!, stdout: stdout! };
}

test('a client without a terminal hears a container with one, until the container ends', async (context) => {
  const runtime = await fakeRuntime(context);
  const client = await spdyClient((upgrade) => translateStreams(upgrade, runtime.url, toTerminal));
  const streams = await openAll(client);
  streams.stdin.end();
  await until(() => runtime.streams.size === 4 && runtime.heard.length > 0);
  assert.deepEqual([...runtime.streams.keys()], ['error', 'stdin', 'stdout', 'resize']);

  const said: string[] = [];
  const ends: Promise<void>[] = [];
  for (const name of ['stdout', 'error'] as const) {
    streams[name].onData = (data) => said.push(`${name} ${data.toString()}`);
    ends.push(
      new Promise((resolve) => {
        streams[name].onEnd = resolve;
      }),
    );
  }
  runtime.streams.get('stdout')!.write(Buffer.from('hello'));
  runtime.streams.get('error')!.write(Buffer.from('{"status":"Success"}'));
  for (const name of ['stdout', 'error']) runtime.streams.get(name)!.end();
  await Promise.all(ends);
  assert.deepEqual(said, ['stdout hello', 'error {"status":"Success"}']);
});

test('a stream that ends in silence has the status that is said of it, another has its own', async (context) => {
  for (const [output, expected] of [
    ['', 'too late'],
    ['hello', 'from the runtime'],
  ] as const) {
    const runtime = await fakeRuntime(context);
    const asked = Promise.withResolvers<void>();
    const late = Promise.withResolvers<{ status: string }>();
    const statusOfSilence = () => {
      asked.resolve();
      return late.promise;
    };
    const how = { ...toTerminal, statusOfSilence };
    const client = await spdyClient((upgrade) => translateStreams(upgrade, runtime.url, how));
    const { error, stdin } = await openAll(client);
    stdin.end();
    const status = new Promise<Buffer>((resolve) => {
      error.onData = resolve;
    });
    await until(() => runtime.heard.length > 0);
    runtime.streams.get('stdout')!.write(Buffer.from(output));
    runtime.streams.get('stdout')!.end();
    runtime.streams.get('error')!.write(Buffer.from('{"status":"from the runtime"}'));
    runtime.streams.get('error')!.end();
    await Promise.race([asked.promise, status]);
    runtime.hangUp();
    late.resolve({ status: 'too late' });
    assert.deepEqual(JSON.parse((await status).toString()), { status: expected });
    client.close();
  }
});

for (const [name, inputEnd, input, expected] of [
  ['is typed to a terminal', 'is typed', 'ls\n', ['stdin "ls\\n"', 'stdin "\\u0004"']],
  ['is typed twice within a line', 'is typed', 'ls', ['stdin "ls"', 'stdin "\\u0004\\u0004"']],
  ['ends the stream of a container that is to be left', 'ends', 'ls', ['stdin "ls"', 'stdin ends']],
] as const)
  test(`the end of the input ${name}`, async (context) => {
    const runtime = await fakeRuntime(context);
    const how = { ...toTerminal, inputEnd };
    const client = await spdyClient((upgrade) => translateStreams(upgrade, runtime.url, how));
    const { stdin } = await openAll(client);
    stdin.write(Buffer.from(input));
    stdin.end();
    await until(() => runtime.heard.length === 2);
    assert.deepEqual(runtime.heard, expected);
    client.close();
  });

test('a runtime that hangs up ends the streams of the client', async (context) => {
  const runtime = await fakeRuntime(context);
  const client = await spdyClient((upgrade) => translateStreams(upgrade, runtime.url, toTerminal));
  const { stdout } = await openAll(client);
  const ended = new Promise<void>((resolve) => {
    stdout.onEnd = resolve;
  });
  await until(() => runtime.streams.size === 4);
  runtime.hangUp();
  await ended;
});

test('a client that leaves takes the connection to the runtime with it', async (context) => {
  const runtime = await fakeRuntime(context);
  const client = await spdyClient((upgrade) => translateStreams(upgrade, runtime.url, toTerminal));
  await openAll(client);
  await until(() => runtime.streams.size === 4);
  client.close();
  await until(() => runtime.heard.includes('stdin ends'));
});
