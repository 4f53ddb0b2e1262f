import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTimeSlices } from './time-slices.ts';

test('work goes on at once until its time slice is used up, and then lets other work run', async () => {
  let nowMs = 0;
  const slices = startTimeSlices(() => nowMs);
  nowMs = 7;
  assert.equal(slices.yieldIfDue(), undefined);
  nowMs = 9;
  const order: string[] = [];
  setImmediate(() => order.push('other'));
  await slices.yieldIfDue();
  order.push('work');
  assert.deepEqual(order, ['other', 'work']);
  assert.equal(slices.yieldIfDue(), undefined);
});
