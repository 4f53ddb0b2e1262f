import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findAll, JsonPathError, parseJsonPath } from './json-path.ts';

const object = {
  spec: {
    size: 's',
    'a.b': 1,
    list: [
      { k: 'x', n: 1 },
      { k: 'y', n: 2 },
    ],
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Other', status: 'False' },
    ],
  },
};

test('a path leads to the values that it names', () => {
  const cases: [string, unknown[]][] = [
    ['.spec.size', ['s']],
    ['.spec.absent.deeper', []],
    ['.spec.list[1].k', ['y']],
    ['.spec.list[-1].k', ['y']],
    ['.spec.list[*].k', ['x', 'y']],
    ['.spec.a\\.b', [1]],
    [`.spec['a.b']`, [1]],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    [`.status.conditions[?(@.type == 'None')].status`, []],
    ['.spec.list[?(@.n>1)].k', ['y']],
  ];
  for (const [path, expected] of cases)
    assert.deepEqual(findAll(parseJsonPath(path), object), expected, path);
});

test('an invalid path is refused', () => {
  for (const path of ['', 'spec', '.spec[', '.spec[?(@.a)]', '.a..b', '.spec[x]']) {
    assert.throws(() => parseJsonPath(path), JsonPathError, path);
  }
});
