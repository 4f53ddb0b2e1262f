import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unlessAborted, untilAborted } from './unless-aborted.ts';

const never = new Promise<never>(() => undefined);

test('what waits for an abort goes on with it, and at once when it came before', async () => {
  const stop = new AbortController();
  let isOver = false;
  const waiting = untilAborted(stop.signal).then(() => {
    isOver = true;
  });
  await Promise.resolve();
  assert.equal(isOver, false);
  stop.abort();
  await waiting;
  await untilAborted(stop.signal);
});

test('work that an abort does not outrun has its outcome', async () => {
  const { signal } = new AbortController();
  await unlessAborted(Promise.resolve(), signal);
  await assert.rejects(unlessAborted(Promise.reject(new Error('failed')), signal), /failed/);
});

test("an abort ends the wait for work, whose later failure is nobody's", async () => {
  const stop = new AbortController();
  const failing = Promise.withResolvers<void>();
  const waiting = unlessAborted(failing.promise, stop.signal);
  stop.abort();
  await waiting;
  await unlessAborted(never, stop.signal);
  await unlessAborted(failing.promise, stop.signal);
  failing.reject(new Error('too late'));
  await new Promise((resolve) => setImmediate(resolve));
});
