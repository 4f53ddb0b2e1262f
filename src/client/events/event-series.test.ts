import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createClient } from '../create-client.ts';
import type { TransportRequest } from '../transport/transport.ts';
import { createEventRecorder } from './event-recorder.ts';

const about = {
  apiVersion: 'v1',
  kind: 'Pod',
  namespace: 'default',
  name: 'a',
  uid: 'a',
  resourceVersion: '1',
};
const minutes = 60_000;

function start() {
  const clock = new VirtualClock();
  const requests: { method: string; event: Event }[] = [];
  const send = async ({ method, body }: TransportRequest) => {
    requests.push({ method, event: structuredClone(body) as Event });
    return { status: method === 'POST' ? 201 : 200, object: body as Event };
  };
  const recorder = createEventRecorder({
    client: createClient({ send, close: () => undefined }),
    clock,
    logger: silentLogger,
    component: 'scheduler',
    hostname: 'host',
    signal: new AbortController().signal,
  });
  const record = async (message: string, target: typeof about = about) => {
    recorder.event(target, 'Warning', 'FailedScheduling', message, { action: 'Scheduling', related: about });
    await recorder.flushed();
  };
  return { clock, requests, record };
}

test('an event that says what is being done is of the newer style', async () => {
  const { requests, record } = start();
  await record('no room');
  const { metadata: _, involvedObject: __, eventTime, ...event } = requests[0]!.event;
  assert.match(eventTime!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual(event, {
    apiVersion: 'v1',
    kind: 'Event',
    reason: 'FailedScheduling',
    message: 'no room',
    type: 'Warning',
    action: 'Scheduling',
    related: about,
    reportingComponent: 'scheduler',
    reportingInstance: 'scheduler-host',
  });
});

test('it becomes a series when it repeats, which is written now and then', async () => {
  const { clock, requests, record } = start();
  for (let times = 0; times < 10; times++) {
    await record('no room');
    await clock.advance(minutes);
  }
  assert.deepEqual(
    requests.map(({ method, event }) => [method, event.series?.count]),
    [
      ['POST', undefined],
      ['PATCH', 2],
      ['PATCH', 8],
    ],
  );
});

test('another version of the object, or a long pause, makes another event', async () => {
  const { clock, requests, record } = start();
  await record('no room');
  await record('no room', { ...about, resourceVersion: '2' });
  await clock.advance(7 * minutes);
  await record('no room');
  assert.deepEqual(
    requests.map(({ method }) => method),
    ['POST', 'POST', 'POST'],
  );
});

test('a long note is cut off where the server would refuse it', async () => {
  const { requests, record } = start();
  await record('é'.repeat(1000));
  const { message = '' } = requests[0]!.event;
  assert.ok(Buffer.byteLength(message) <= 1024);
  assert.match(message, /^é+ \.\.\.$/);
});
