import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../random.ts';
import { Heap } from './heap.ts';

test('elements added in any order come out sorted', () => {
  const random = seededRandom(7);
  for (let size = 0; size < 50; size++) {
    const numbers = Array.from({ length: size }, () => Math.floor(random.next() * 20));
    const heap = new Heap<number>((left, right) => left < right);
    for (const number of numbers) heap.push(number);
    assert.equal(heap.peek(), numbers.length ? Math.min(...numbers) : undefined);
    const out = numbers.map(() => heap.pop());
    assert.deepEqual(
      out,
      numbers.sort((left, right) => left - right),
    );
    assert.equal(heap.pop(), undefined);
  }
});
