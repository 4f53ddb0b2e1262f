import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { OpenSlots } from './open-slots.ts';

const total = 200;

test('the few that are open are those that a look at all finds, in the same order', () => {
  const random = seededRandom(11);
  const slots = new OpenSlots(total);
  const model = new Set(Array.from({ length: total }, (_, slot) => slot));
  let timesFew = 0;
  for (let step = 0; step < 20_000; step++) {
    const slot = Math.floor(random.next() * total);
    // Mostly closed for a while, then mostly opened.
    if (random.next() < (step % 4_000 < 3_000 ? 0.95 : 0.3)) {
      slots.close(slot);
      model.delete(slot);
    } else {
      slots.open(slot);
      model.add(slot);
    }
    assert.equal(slots.size, model.size);
    assert.equal(slots.isOpen(slot), model.has(slot));
    const start = Math.floor(random.next() * total);
    const few = slots.fewFrom(start);
    assert.equal(few === undefined, model.size > total / 16);
    if (!few) continue;
    timesFew++;
    const expected = Array.from({ length: total }, (_, index) => (start + index) % total);
    assert.deepEqual(
      few,
      expected.filter((open) => model.has(open)),
    );
  }
  assert.ok(timesFew > 1_000);
});

test('a place outside of the list is no place', () => {
  const slots = new OpenSlots(3);
  slots.open(-1);
  slots.close(-1);
  slots.close(7);
  assert.equal(slots.size, 3);
});
