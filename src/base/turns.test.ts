import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTurns } from './turns.ts';

test('work goes on at once until its turn is old, and then lets others be served', async () => {
  let nowMs = 0;
  const turns = inTurns(() => nowMs);
  nowMs = 7;
  assert.equal(turns.pause(), undefined);
  nowMs = 9;
  const order: string[] = [];
  setImmediate(() => order.push('other'));
  await turns.pause();
  order.push('work');
  assert.deepEqual(order, ['other', 'work']);
  assert.equal(turns.pause(), undefined);
});
