import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compileRequirement,
  labelSelectorText,
  matchesLabelSelector,
  matchesLabels,
} from './label-selector.ts';

test('an absent selector matches nothing, an empty one everything', () => {
  assert.equal(matchesLabelSelector(undefined, { a: 'b' }), false);
  assert.equal(matchesLabelSelector({}, undefined), true);
});

const rows: [operator: string, values: string[], label: string | undefined, expected: boolean][] = [
  ['In', ['1', '2'], '1', true],
  ['In', ['1'], undefined, false],
  ['NotIn', ['1'], '1', false],
  ['NotIn', ['1'], undefined, true],
  ['Exists', [], '', true],
  ['Exists', [], undefined, false],
  ['DoesNotExist', [], undefined, true],
  ['DoesNotExist', [], 'x', false],
  ['Gt', ['5'], '6', true],
  ['Gt', ['5'], '5', false],
  ['Gt', ['5'], 'x', false],
  ['Lt', ['5'], '4', true],
  ['Lt', ['x'], '4', false],
  ['Near', ['5'], '5', false],
];
for (const [operator, values, label, expected] of rows)
  test(`${operator} [${values}] on ${label} is ${expected}`, () => {
    const labels = label === undefined ? undefined : { k: label };
    assert.equal(compileRequirement('k', operator, values)(labels), expected);
  });

test('a label named like a member of every object is no label unless it was set', () => {
  assert.equal(compileRequirement('constructor', 'Exists', [])({}), false);
});

test('all parts of a selector must hold', () => {
  const selector = { matchLabels: { a: '1' }, matchExpressions: [{ key: 'b', operator: 'Exists' }] };
  assert.equal(matchesLabelSelector(selector, { a: '1', b: '' }), true);
  assert.equal(matchesLabelSelector(selector, { a: '1' }), false);
  assert.equal(matchesLabels({ a: '1' }, { a: '1', c: '2' }), true);
  assert.equal(matchesLabels({ a: '1' }, undefined), false);
});

test('a selector as text is sorted by key, and there is none when an operator does not exist', () => {
  const matchExpressions = [
    { key: 'tier', operator: 'NotIn', values: ['b', 'a'] },
    { key: 'old', operator: 'DoesNotExist' },
    { key: 'any', operator: 'Exists' },
  ];
  const selector = { matchLabels: { web: 'yes', app: 'x' }, matchExpressions };
  assert.equal(labelSelectorText(selector), 'any,app=x,!old,tier notin (a,b),web=yes');
  assert.equal(labelSelectorText(undefined), '');
  assert.equal(labelSelectorText({ matchExpressions: [{ key: 'a', operator: 'Near' }] }), undefined);
});

test('an operator that is named like a function of all objects does not exist', () => {
  const selector = { matchExpressions: [{ key: 'a', operator: 'constructor', values: ['b'] }] };
  assert.equal(labelSelectorText(selector), undefined);
});
