import assert from 'node:assert/strict';
import { test } from 'node:test';
import { node } from '../objects.fixture.ts';
import { nextRange, takenRanges } from './node-ipam.ts';

const options = { clusterCidr: '10.244.0.0/22', nodeMaskSize: 24 };
const range = (third: number) => `10.244.${third}.0/24`;

for (const [what, taken, expected] of [
  ['the first', [], { range: range(0), tries: 0 }],
  ['the lowest that is free', [range(0), range(2)], { range: range(1), tries: 1 }],
  ['the last', [range(0), range(1), range(2)], { range: range(3), tries: 3 }],
  ['none when all are taken', [range(0), range(1), range(2), range(3)], undefined],
] as const)
  test(`a node gets ${what}`, () => {
    assert.deepEqual(nextRange(options, new Set(taken)), expected);
  });

test('what nodes have and what was handed out a moment ago are both taken', () => {
  const having = node('a');
  having.spec = { podCIDR: range(1) };
  assert.deepEqual([...takenRanges([having, node('b')], [range(0)])], [range(0), range(1)]);
});
