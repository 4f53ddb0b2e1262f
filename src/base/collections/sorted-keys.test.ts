import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../random.ts';
import { SortedKeys } from './sorted-keys.ts';

test('a sorted set agrees with a plain sorted array over random changes', () => {
  const random = seededRandom(7);
  const keys = new SortedKeys();
  const model = new Set<string>();
  for (let step = 0; step < 20_000; step++) {
    const key = `/registry/${['pods', 'pod', 'nodes'][step % 3]}/${Math.floor(random.next() * 3000)}`;
    if (random.next() < 0.6) {
      keys.add(key);
      model.add(key);
    } else {
      keys.delete(key);
      model.delete(key);
    }
    // Asked now after few changes, now after many.
    if (random.next() < (step < 10_000 ? 0.2 : 0.001)) assert.equal(keys.size, model.size);
  }
  assert.equal(keys.size, model.size);
  const sorted = [...model].sort();
  for (const prefix of ['', '/registry/pods/', '/registry/pod', '/registry/nodes/2', '/zzz']) {
    const expected = sorted.filter((key) => key.startsWith(prefix));
    for (const after of [undefined, '/', expected[0], expected[expected.length >> 1], expected.at(-1), '/zz'])
      assert.deepEqual(keys.listWithPrefix(prefix, after), [...keys.withPrefix(prefix, after)]);
    assert.deepEqual([...keys.withPrefix(prefix)], expected);
    assert.equal(keys.countWithPrefix(prefix), expected.length);
    const middle = expected[expected.length >> 1];
    const behind = expected.length - (expected.length >> 1) - 1;
    if (middle) assert.equal(keys.countWithPrefix(prefix, middle), behind);
    if (middle)
      assert.deepEqual(
        [...keys.withPrefix(prefix, middle)],
        expected.filter((key) => key > middle),
      );
    assert.deepEqual(
      [...keys.withPrefix(prefix, '/')],
      expected.filter((key) => key > '/'),
    );
  }
});

test('a set made of many keys at once is like one that they were added to', () => {
  const keys = Array.from({ length: 3_000 }, (_, index) => `/k/${(index * 7919) % 3_000}`);
  const made = SortedKeys.of(keys);
  const grown = new SortedKeys();
  for (const key of keys) grown.add(key);
  assert.deepEqual([...made.withPrefix('/k/1')], [...grown.withPrefix('/k/1')]);
  assert.equal(made.size, 3_000);
  assert.equal(made.countWithPrefix('/k/'), 3_000);
  made.add('/k/5');
  assert.equal(made.size, 3_000);
  made.add('/k/x');
  made.delete('/k/17');
  assert.equal(made.size, 3_000);
  assert.deepEqual([...made.withPrefix('/k/x')], ['/k/x']);
  assert.deepEqual([...made.withPrefix('/k/17', '/k/1699')].slice(0, 1), ['/k/170']);
  assert.deepEqual([...SortedKeys.of([]).withPrefix('')], []);
});
