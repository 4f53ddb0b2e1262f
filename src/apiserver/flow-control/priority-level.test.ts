import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { SeatDemand } from './demand.ts';
import { type Admission, PriorityLevel, type Refusal } from './priority-level.ts';
import { SeatPool } from './seats.ts';

const never = new AbortController();

function createLevel({ seats = 1, queues = 16, handSize = 2, queueLengthLimit = 3, type = 'Queue' } = {}) {
  const clock = new VirtualClock();
  const level = new PriorityLevel('test', {
    pool: new SeatPool(100),
    clock,
    demand: new SeatDemand(clock, undefined),
  });
  level.configure(
    { limitResponse: { type, queuing: { queues, handSize, queueLengthLimit } } },
    { nominal: seats, lower: seats, upper: seats },
  );
  const enter = (flow: string, client: { signal: AbortSignal } = never) =>
    level.enter({ flow, admission: admissionOf(flow), client, waitMs: 15_000 });
  const leave = () => level.leave(atWork(level)[0]!);
  return { clock, level, enter, leave };
}

function admissionOf(name: string, seats = 1): Admission {
  const info = { verb: 'get', path: '/api/v1/nodes', group: '', version: 'v1', resource: 'nodes' };
  return {
    seats,
    schema: 'test',
    distinguisher: name,
    user: { name },
    info: { ...info, isResource: true, namespace: '', name: '', subresource: '', rest: '' },
    arrivedMs: Date.UTC(2026, 0, 1, 0, 0, 0, 250),
  };
}

function atWork(level: PriorityLevel): Admission[] {
  return [...level.queues.flatMap(({ executing }) => executing), ...level.queueless];
}

const refused = (reason: Refusal) => (error: { reason?: unknown }) => error.reason === reason;

test('seats are taken at once while there are some, and handed on when one is given back', async () => {
  const { level, enter, leave } = createLevel({ seats: 2 });
  assert.equal(enter('a'), undefined);
  assert.equal(enter('a'), undefined);
  const third = enter('a');
  assert.deepEqual([level.executing, level.waitingCount], [2, 1]);
  leave();
  await third;
  assert.deepEqual([level.executing, level.waitingCount], [2, 0]);
});

test('a caller with many requests waits behind itself, not before others', async () => {
  const { enter, leave } = createLevel({ queueLengthLimit: 100 });
  void enter('greedy');
  const order: string[] = [];
  const waits = Array.from({ length: 20 }, () => enter('greedy')!.then(() => order.push('greedy')));
  waits.push(enter('modest')!.then(() => order.push('modest')));
  for (let round = 0; round < 21; round++) {
    leave();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(waits);
  assert.ok(order.indexOf('modest') <= 2, order.join());
});

test('a flow that fills its queues is refused, and others still get in', () => {
  const { enter } = createLevel({ queues: 64 });
  void enter('a');
  for (let count = 0; count < 6; count++) assert.ok(enter('a') instanceof Promise);
  assert.throws(() => enter('a'), refused('queue-full'));
  assert.ok(enter('b') instanceof Promise);
});

test('a level without queues refuses what it has no seat for', () => {
  const { enter } = createLevel({ type: 'Reject' });
  assert.equal(enter('a'), undefined);
  assert.throws(() => enter('a'), refused('concurrency-limit'));
});

test('no request waits longer than it may', async () => {
  const { clock, level, enter } = createLevel();
  void enter('a');
  const waiting = enter('b')!;
  const outcome = assert.rejects(waiting, refused('time-out'));
  await clock.advance(15_000);
  await outcome;
  assert.equal(level.waitingCount, 0);
});

test('a client that goes away gives up its place in the queue', async () => {
  const { level, enter, leave } = createLevel();
  void enter('a');
  const gone = new AbortController();
  const waiting = enter('b', gone)!;
  gone.abort();
  await assert.rejects(waiting, refused('cancelled'));
  leave();
  assert.ok(level.isIdle);
});

test('queued requests keep waiting when the queues are reconfigured', async () => {
  const { level, enter, leave } = createLevel();
  void enter('a');
  const waits = [enter('a')!, enter('b')!];
  const limits = { nominal: 3, lower: 3, upper: 3 };
  level.configure({ limitResponse: { type: 'Queue', queuing: { queues: 1, handSize: 1 } } }, limits);
  leave();
  await Promise.all(waits);
  assert.equal(level.executing, 2);
});

test('a request that gives up after new settings have dealt it to another queue is gone for good', async () => {
  const { clock, level, enter, leave } = createLevel({ queues: 2 });
  void enter('a');
  const late = assert.rejects(enter('a')!, refused('time-out'));
  const limits = { nominal: 1, lower: 1, upper: 1 };
  level.configure({ limitResponse: { type: 'Queue', queuing: { queues: 4, handSize: 2 } } }, limits);
  await clock.advance(15_000);
  await late;
  const next = enter('a')!;
  leave();
  await next;
  assert.deepEqual([level.taken, level.executing, level.waitingCount], [1, 1, 0]);
});

test('a level that begins to refuse still serves the requests that wait, and accepts no others', async () => {
  const { level, enter, leave } = createLevel();
  void enter('a');
  const waiting = enter('a')!;
  level.configure({ limitResponse: { type: 'Reject' } }, { nominal: 1, lower: 1, upper: 1 });
  assert.throws(() => enter('b'), refused('concurrency-limit'));
  leave();
  await waiting;
  assert.deepEqual([level.executing, level.waitingCount], [1, 0]);
});

test('a client that is gone already takes no place in a queue', () => {
  const { level, enter } = createLevel();
  void enter('a');
  assert.throws(() => enter('a', { signal: AbortSignal.abort() }), refused('cancelled'));
  assert.equal(level.waitingCount, 0);
});
