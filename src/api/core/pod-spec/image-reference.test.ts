import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pullPolicyOf } from './defaults.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const cases: [string, 'Always' | 'IfNotPresent'][] = [
  ['nginx', 'Always'],
  ['nginx:latest', 'Always'],
  ['nginx:1.27', 'IfNotPresent'],
  ['localhost:5000/a/b', 'Always'],
  ['localhost:5000/a/b:v1', 'IfNotPresent'],
  [`nginx@${digest}`, 'IfNotPresent'],
  [`nginx:latest@${digest}`, 'Always'],
  ['', 'IfNotPresent'],
  ['A_b c/!', 'IfNotPresent'],
  ['-a', 'IfNotPresent'],
  ['/a/../b', 'IfNotPresent'],
  ['x'.repeat(256), 'IfNotPresent'],
];

for (const [image, policy] of cases)
  test(`an image named ${image.slice(0, 40) || 'nothing'} is pulled ${policy}`, () =>
    assert.equal(pullPolicyOf(image), policy));
