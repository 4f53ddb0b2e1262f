import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FieldSet, sortSet } from './field-set.ts';

test('a set is written with its elements in order, at every depth', () => {
  const set = { 'f:spec': { 'f:b': {}, 'f:a': { 'v:2': {}, '.': {} } }, 'f:metadata': {} } as FieldSet;
  assert.equal(JSON.stringify(sortSet(set)), '{"f:metadata":{},"f:spec":{"f:a":{".":{},"v:2":{}},"f:b":{}}}');
});

test('what is in order already is kept as it is, also inside of a set that is not', () => {
  const inOrder = { '.': {}, 'f:a': { 'f:b': {} } } as FieldSet;
  assert.equal(sortSet(inOrder), inOrder);
  const around = { 'f:x': inOrder, 'f:y': { 'f:2': {}, 'f:1': {} } } as FieldSet;
  const sorted = sortSet(around);
  assert.equal(sorted['f:x'], inOrder);
  assert.deepEqual(Object.keys(sorted['f:y']!), ['f:1', 'f:2']);
  assert.deepEqual(Object.keys(around['f:y']!), ['f:2', 'f:1'], 'the set itself does not change');
});
