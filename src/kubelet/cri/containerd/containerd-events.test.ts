import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import { until } from '../../../base/async/until.fixture.ts';
import { connectRuntime } from '../grpc-calls.ts';
import type { RuntimeEvent } from '../runtime.ts';
import { bytesField, numberField, serveContainerd } from './containerd.fixture.ts';
import { subscribeContainerdEvents } from './containerd-events.ts';

const path = '/containerd.services.events.v1.Events/Subscribe';
type Subscription = ServerWritableStream<Buffer, Buffer>;

/** As containerd sends it: the task's message in an envelope with time, namespace and topic. */
function envelope(topic: string, ...task: Buffer[]): Buffer {
  const event = Buffer.concat([bytesField(1, 'type.example/Task'), bytesField(2, Buffer.concat(task))]);
  return Buffer.concat([
    bytesField(1, numberField(1, 1_767_225_600)),
    bytesField(2, 'k8s.io'),
    bytesField(3, topic),
    bytesField(4, event),
  ]);
}

const taskExit = (container: string, process: string, exitCode: number) =>
  envelope(
    '/tasks/exit',
    bytesField(1, container),
    bytesField(2, process),
    numberField(3, 4711),
    numberField(4, exitCode),
  );
const taskDelete = (container: string, process: string) =>
  envelope(
    '/tasks/delete',
    bytesField(1, container),
    numberField(2, 4711),
    numberField(3, 0),
    bytesField(5, process),
  );

/** What a subscriber receives when containerd sends `envelopes` and ends the stream. */
async function eventsOf(...envelopes: Buffer[]): Promise<RuntimeEvent[]> {
  using containerd = await serveContainerd(
    {
      [path]: (call: Subscription) => {
        for (const each of envelopes) call.write(each);
        call.end();
      },
    },
    { streaming: [path] },
  );
  const client = connectRuntime(containerd.socket);
  const events: RuntimeEvent[] = [];
  try {
    const { signal } = new AbortController();
    for await (const event of subscribeContainerdEvents(client, signal, () => undefined)) events.push(event);
  } finally {
    client.close();
  }
  return events;
}

test('the start, the end and the removal of a container are events', async () => {
  assert.deepEqual(
    await eventsOf(
      envelope('/tasks/start', bytesField(1, 'c1'), numberField(2, 4711)),
      envelope('/tasks/oom', bytesField(1, 'c1')),
      taskExit('c1', 'c1', 137),
      taskDelete('c1', 'c1'),
      // Older versions of containerd omit the process.
      taskDelete('c2', ''),
    ),
    [
      { type: 'started', id: 'c1' },
      { type: 'oom', id: 'c1' },
      { type: 'exited', id: 'c1', exitCode: 137 },
      { type: 'deleted', id: 'c1' },
      { type: 'deleted', id: 'c2' },
    ],
  );
});

test('exec processes, and topics that were not subscribed to, are no events', async () => {
  assert.deepEqual(
    await eventsOf(
      taskExit('c1', 'exec-1', 1),
      taskDelete('c1', 'exec-1'),
      envelope('/tasks/paused', bytesField(1, 'c1')),
      taskExit('c1', 'c1', 0),
    ),
    [{ type: 'exited', id: 'c1', exitCode: 0 }],
  );
});

test('only tasks of the namespace of CRI are subscribed to, and an abort ends the subscription', async () => {
  const requests: string[] = [];
  let isCancelled = false;
  using containerd = await serveContainerd(
    {
      [path]: (call: Subscription) => {
        requests.push(call.request.toString('latin1'));
        call.on('cancelled', () => {
          isCancelled = true;
        });
      },
    },
    { streaming: [path] },
  );
  const client = connectRuntime(containerd.socket);
  const stop = new AbortController();
  let isReady = false;
  const events = subscribeContainerdEvents(client, stop.signal, () => {
    isReady = true;
  });
  const ended = events.next();
  await until(() => isReady && requests.length > 0);
  stop.abort();
  assert.deepEqual(await ended, { value: undefined, done: true });
  await until(() => isCancelled);
  client.close();
  const filters = ['start', 'exit', 'oom', 'delete'].map(
    (topic) => `namespace==k8s.io,topic=="/tasks/${topic}"`,
  );
  assert.deepEqual(requests, [
    Buffer.concat(filters.map((filter) => bytesField(1, filter))).toString('latin1'),
  ]);
});

test('a stream that containerd breaks off is an error of the runtime', async () => {
  using containerd = await serveContainerd(
    {
      [path]: (call: Subscription) =>
        void call.emit('error', { code: status.UNAVAILABLE, details: 'shutting down' }),
    },
    { streaming: [path] },
  );
  const client = connectRuntime(containerd.socket);
  const events = subscribeContainerdEvents(client, new AbortController().signal, () => undefined);
  await assert.rejects(events.next(), {
    name: 'RuntimeError',
    code: 'Unavailable',
    description: 'shutting down',
  });
  client.close();
});
