import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import type { Event } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createClient } from '../create-client.ts';
import { TransportError, type TransportRequest, type TransportResponse } from '../transport/transport.ts';
import { createEventRecorder } from './event-recorder.ts';

const about = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'a', uid: 'a' };

/**
 * Records events of one pod with a server that answers its first request by `first`, and returns the names that it then
 * has.
 */
async function namesAfter(first: 'lose the answer' | 'find the name taken'): Promise<string[]> {
  const names = new Set<string>();
  let isFirst = true;
  const send = async ({ method, path, body }: TransportRequest): Promise<TransportResponse> => {
    assert.equal(method, 'POST', path);
    const event = body as KubeObject;
    const { name } = event.metadata;
    const fault = isFirst ? first : undefined;
    isFirst = false;
    if (fault === 'find the name taken') names.add(name);
    if (names.has(name)) {
      const { status } = new StatusError(409, 'AlreadyExists', `events "${name}" already exists`);
      return { status: 409, object: status };
    }
    names.add(name);
    if (fault === 'lose the answer') throw new TransportError('the connection ended');
    return { status: 201, object: event };
  };
  const recorder = createEventRecorder({
    client: createClient({ send, close: () => undefined }),
    clock: systemClock,
    logger: silentLogger,
    component: 'test',
    signal: new AbortController().signal,
  });
  recorder.event(about, 'Normal', 'Created', 'made');
  await recorder.flushed();
  return [...names];
}

test('an event whose answer was lost is written once', async () => {
  assert.equal((await namesAfter('lose the answer')).length, 1);
});

test('an event whose name another has gets another name', async () => {
  assert.equal((await namesAfter('find the name taken')).length, 2);
});

/** A recorder whose writes are answered only when the test says so. */
function start(clock = new VirtualClock()) {
  const requests: { request: TransportRequest; answer(): void }[] = [];
  const transport = {
    send: (request: TransportRequest) =>
      new Promise<TransportResponse>((resolve) => {
        requests.push({ request, answer: () => resolve({ status: 201, object: request.body }) });
      }),
    close: () => undefined,
  };
  const recorder = createEventRecorder({
    client: createClient(transport),
    clock,
    logger: silentLogger,
    component: 'test',
    signal: new AbortController().signal,
  });
  const bodies = () => requests.map(({ request }) => request.body as Partial<Event>);
  /** Answers everything until no more is asked. */
  const finish = async () => {
    const flushed = recorder.flushed().then(() => true);
    for (let isDone = false; !isDone; ) {
      for (const { answer } of requests) answer();
      isDone = await Promise.race([flushed, clock.advance(0).then(() => false)]);
    }
  };
  return { clock, recorder, requests, bodies, finish };
}

test('an event that recurs while it waits is written again, with its latest count', async () => {
  const { clock, recorder, requests, bodies, finish } = start();
  for (let time = 1; time <= 5; time++) recorder.event(about, 'Warning', 'Failed', 'it does not work');
  await clock.advance(0);
  assert.equal(requests.length, 1);
  await finish();
  assert.deepEqual(
    requests.map(({ request }) => request.method),
    ['POST', 'PATCH'],
  );
  assert.equal(bodies()[1]!.count, 5);
});

test('few events are under way at once, and all are written in their order', async () => {
  const { clock, recorder, requests, bodies, finish } = start();
  const names = Array.from({ length: 50 }, (_, index) => `pod-${index}`);
  for (const name of names) recorder.event({ ...about, name, uid: name }, 'Normal', 'Started', 'it runs');
  await clock.advance(0);
  assert.equal(requests.length, 8);
  await finish();
  assert.deepEqual(
    bodies().map(({ involvedObject }) => involvedObject?.name),
    names,
  );
});

test('while others keep the process busy, events are written one at a time', async () => {
  const clock = new VirtualClock();
  let busyMs = 0;
  clock.monotonic = () => (busyMs += 5);
  const { recorder, requests, finish } = start(clock);
  const tell = (from: number, count: number) => {
    for (let index = from; index < from + count; index++)
      recorder.event({ ...about, name: `pod-${index}`, uid: `${index}` }, 'Normal', 'Started', 'it runs');
  };
  tell(0, 8);
  await finish();
  tell(8, 50);
  await clock.advance(0);
  assert.equal(requests.length, 9);
  await finish();
  assert.equal(requests.length, 58);
});

test('annotations of an event are written with it', async () => {
  const written: Event[] = [];
  const recorder = createEventRecorder({
    client: createClient({
      send: async ({ body }) => {
        written.push(body as Event);
        return { status: 201, object: body as KubeObject };
      },
      close: () => undefined,
    }),
    clock: systemClock,
    logger: silentLogger,
    component: 'test',
    signal: new AbortController().signal,
  });
  recorder
    .annotated({ starved_resource: 'memory' })
    .for('kubelet')
    .event(about, 'Warning', 'Evicted', 'short');
  recorder.event(about, 'Normal', 'Created', 'made');
  await recorder.flushed();
  assert.deepEqual(
    written.map(({ metadata, source }) => [metadata.annotations, source?.component]),
    [
      [{ starved_resource: 'memory' }, 'kubelet'],
      [undefined, 'test'],
    ],
  );
});
