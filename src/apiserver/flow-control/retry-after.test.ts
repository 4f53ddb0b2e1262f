import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { RetryAfter } from './retry-after.ts';

/** Refusals of each second, and what clients are told then. */
async function told(refusals: readonly number[]): Promise<number[]> {
  const clock = new VirtualClock();
  const retryAfter = new RetryAfter(clock);
  const seconds: number[] = [];
  for (const count of refusals) {
    for (let refused = 0; refused < count; refused++) retryAfter.refuse();
    await clock.advance(1_000);
    seconds.push(retryAfter.seconds);
  }
  return seconds;
}

test('the time doubles while many are refused, no faster than it passes, and never exceeds half a minute', async () => {
  assert.deepEqual(await told(Array(8).fill(20)), [1, 2, 2, 4, 4, 4, 4, 8]);
  assert.equal(Math.max(...(await told(Array(200).fill(1_000)))), 32);
});

test('the time shrinks second by second once nearly none are refused', async () => {
  assert.deepEqual(await told([20, 20, 20, 20, 0, 0, 0, 0, 1, 1]), [1, 2, 2, 4, 4, 4, 4, 4, 3, 2]);
});

test('few refusals change nothing', async () => {
  assert.deepEqual(await told([2, 2, 1, 2, 2]), [1, 1, 1, 1, 1]);
});
