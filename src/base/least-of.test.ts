import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leastOf } from './least-of.ts';

test('of numbers that are known the least counts, and of none there is none', () => {
  assert.equal(leastOf(3, undefined, 0, 2), 0);
  assert.equal(leastOf(undefined, -1), -1);
  assert.equal(leastOf(undefined, undefined), undefined);
  assert.equal(leastOf(), undefined);
});
