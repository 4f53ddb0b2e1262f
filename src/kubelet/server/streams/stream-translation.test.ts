import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../../base/async/until.fixture.ts';
import { type Translation, translateStreams } from './stream-translation.ts';
import { fakeRuntime, openAll, spdyClient } from './streams.fixture.ts';

const withoutTerminal = { stdin: true, stdout: true, stderr: true, tty: false };
const toTerminal: Translation = {
  client: withoutTerminal,
  runtime: { stdin: true, stdout: true, stderr: false, tty: true },
  inputEnd: 'is typed',
};

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
    const statusOfSilence = (_: string, { inputHasEnded }: { inputHasEnded: boolean }) => {
      assert.ok(inputHasEnded);
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
