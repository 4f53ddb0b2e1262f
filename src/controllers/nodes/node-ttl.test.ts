import assert from 'node:assert/strict';
import { test } from 'node:test';
import { node } from '../objects.fixture.ts';
import { nextSize, planNodeTtl } from './node-ttl.ts';

const annotation = 'node.alpha.kubernetes.io/ttl';
const ttlOf = (step: number) => planNodeTtl(node('n'), step)?.[annotation];

for (const [before, nodes, ttl] of [
  [0, 1, '0'],
  [0, 100, '0'],
  [0, 101, '15'],
  [1, 100, '15'],
  [1, 90, '15'],
  [1, 89, '0'],
  [1, 501, '30'],
  [2, 450, '30'],
  [2, 449, '15'],
  [0, 5_000, '300'],
  [4, 1_799, '60'],
  [4, 0, '0'],
] as const)
  test(`${nodes} nodes, where there were as many as size ${before} has: secrets are cached for ${ttl} s`, () => {
    assert.equal(ttlOf(nextSize(before, nodes)), ttl);
  });

test('a node that has the time is left alone', () => {
  const done = node('n');
  done.metadata.annotations = { [annotation]: '15' };
  assert.equal(planNodeTtl(done, 1), undefined);
  assert.deepEqual(planNodeTtl(done, 0), { [annotation]: '0' });
});
