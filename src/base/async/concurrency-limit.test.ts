import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConcurrencyLimit } from './concurrency-limit.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('so much is under way at once, and the rest follows in order', async () => {
  const limit = new ConcurrencyLimit(2);
  const began: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const all = gates.map((gate, index) =>
    limit.run(async () => {
      began.push(index);
      await gate.promise;
      return index;
    }),
  );
  await turn();
  assert.deepEqual(began, [0, 1]);
  gates[1]!.resolve();
  await turn();
  assert.deepEqual(began, [0, 1, 2]);
  for (const gate of gates) gate.resolve();
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4]);
  assert.deepEqual(began, [0, 1, 2, 3, 4]);
});

test('work that fails makes room for the next', async () => {
  const limit = new ConcurrencyLimit(1);
  const failing = limit.run(() => Promise.reject(new Error('no')));
  const next = limit.run(async () => 'done');
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'done');
  assert.equal(await limit.run(async () => 'again'), 'again');
});
