import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue } from './fair-queue.ts';

const never = new AbortController().signal;

test('seats are taken at once while there are some, and handed on when one is given back', async () => {
  const queue = new FairQueue({ seats: 2, waitingPerFlow: 5, waiting: 10 });
  assert.equal(queue.enter('a', never), undefined);
  assert.equal(queue.enter('a', never), undefined);
  const third = queue.enter('a', never);
  assert.equal(queue.waitingCount, 1);
  queue.leave();
  await third;
  assert.deepEqual([queue.taken, queue.waitingCount], [2, 0]);
  queue.leave();
  queue.leave();
  assert.equal(queue.taken, 0);
});

test('a caller with many requests waits behind itself, not before others', async () => {
  const queue = new FairQueue({ seats: 1, waitingPerFlow: 100, waiting: 1000 });
  void queue.enter('greedy', never);
  const order: string[] = [];
  const waits = Array.from({ length: 5 }, () =>
    queue.enter('greedy', never)!.then(() => order.push('greedy')),
  );
  waits.push(queue.enter('modest', never)!.then(() => order.push('modest')));
  for (let round = 0; round < 6; round++) {
    queue.leave();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(waits);
  assert.ok(order.indexOf('modest') <= 1, order.join());
});

test('a full queue is answered 429 with a time to come back, and others still get in', () => {
  const queue = new FairQueue({ seats: 1, waitingPerFlow: 2, waiting: 3 });
  void queue.enter('a', never);
  void queue.enter('a', never);
  void queue.enter('a', never);
  assert.throws(() => queue.enter('a', never), {
    code: 429,
    reason: 'TooManyRequests',
  });
  assert.ok(queue.enter('b', never) instanceof Promise);
  assert.throws(() => queue.enter('c', never), { code: 429 });
});

test('a client that goes away gives up its place in the queue', async () => {
  const queue = new FairQueue({ seats: 1, waitingPerFlow: 5, waiting: 5 });
  void queue.enter('a', never);
  const gone = new AbortController();
  const waiting = queue.enter('b', gone.signal)!;
  gone.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  assert.equal(queue.waitingCount, 0);
  queue.leave();
  assert.equal(queue.taken, 0);
});
