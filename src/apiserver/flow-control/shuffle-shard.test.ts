import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dealHand } from './shuffle-shard.ts';

test('a hand holds different cards of the deck, and the same ones for the same flow', () => {
  for (let flow = 0; flow < 500; flow++) {
    const hand = dealHand(`flow ${flow}`, 64, 8);
    assert.equal(new Set(hand).size, 8);
    assert.ok(hand.every((card) => card >= 0 && card < 64));
    assert.deepEqual(dealHand(`flow ${flow}`, 64, 8), hand);
  }
  assert.deepEqual(dealHand('x', 2, 8).sort(), [0, 1]);
});

test('every card is dealt about as often as any other', () => {
  const counts = new Array<number>(16).fill(0);
  for (let flow = 0; flow < 4_000; flow++) for (const card of dealHand(`f${flow}`, 16, 4)) counts[card]!++;
  assert.ok(
    counts.every((count) => count > 850 && count < 1_150),
    counts.join(),
  );
});
