import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import { ListEdits } from './list-edits.ts';

test('a list, however long, changes as one that is spliced at each step', () => {
  const random = seededRandom(7);
  const below = (count: number) => Math.floor(random.next() * count);
  for (const length of [0, 10, 2047, 2048, 5000]) {
    const list: unknown[] = Array.from({ length }, (_, index) => index);
    const expected = [...list];
    const edits = new ListEdits();
    for (let step = 0; step < 8000; step++) {
      // First it rather grows, then it shrinks to nothing.
      if (expected.length === 0 || (step < 3000 && random.next() < 0.7)) {
        const at = random.next() < 0.3 ? 0 : below(expected.length + 1);
        edits.insert(list, at, `n${step}`);
        expected.splice(at, 0, `n${step}`);
      } else {
        const at = below(expected.length);
        edits.remove(list, at);
        expected.splice(at, 1);
      }
      assert.equal(edits.lengthOf(list), expected.length);
      if (expected.length === 0) continue;
      const at = below(expected.length);
      assert.equal(edits.at(list, at), expected[at]);
      if (step % 5 === 0) {
        edits.set(list, at, step);
        expected[at] = step;
      }
      if (step % 500 === 0) {
        edits.settle({ in: [list] });
        assert.deepEqual(list, expected);
      }
    }
    edits.settle(list);
    assert.deepEqual(list, expected);
  }
});
