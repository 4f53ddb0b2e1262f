import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIndexes, parseIndexes } from './job-indexes.ts';

test('indexes are written as intervals and read back', () => {
  for (const text of ['', '0', '0,2', '0-3', '1,3,4,9', '0,1,5,7-9'])
    assert.equal(formatIndexes(parseIndexes(text)), text);
});

test('an interval of two is read as well as it is written by hand', () => {
  assert.deepEqual([...parseIndexes('0-1,5')], [0, 1, 5]);
});

test('indexes beyond the completions are left out', () => {
  assert.deepEqual([...parseIndexes('0,4-9', 6)], [0, 4, 5]);
});
