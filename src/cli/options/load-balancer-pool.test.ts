import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../context.ts';
import { parsePool } from './load-balancer-pool.ts';

test('a pool is two addresses, the lower one first', () => {
  assert.equal(parsePool(undefined), undefined);
  assert.deepEqual(parsePool('10.0.0.9-10.0.0.10'), { first: '10.0.0.9', last: '10.0.0.10' });
  assert.deepEqual(parsePool('10.0.0.9-10.0.0.9'), { first: '10.0.0.9', last: '10.0.0.9' });
  for (const text of [
    '10.0.0.10-10.0.0.9',
    '10.0.0.9',
    '',
    '10.0.0.0/24',
    '10.0.0.9-10.0.0.300',
    '::1-::2',
    '10.0.0.1-10.0.0.2-10.0.0.3',
  ])
    assert.throws(() => parsePool(text), UsageError, text);
});
