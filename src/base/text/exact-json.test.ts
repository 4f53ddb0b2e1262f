import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExactJson, readExactJson, roundedIntegers, writeExactJson } from './exact-json.ts';

const texts: [string, unknown][] = [
  ['9007199254740991', 9_007_199_254_740_991],
  ['9007199254740993', 9_007_199_254_740_993n],
  ['-9007199254740993', -9_007_199_254_740_993n],
  ['9223372036854775807', 2n ** 63n - 1n],
  ['-9223372036854775808', -(2n ** 63n)],
  ['9223372036854775808', 2 ** 63],
  ['9007199254740993.5', 9_007_199_254_740_994],
  ['9007199254740993e1', 90_071_992_547_409_940],
  ['"9007199254740993"', '9007199254740993'],
  ['":9007199254740993"', ':9007199254740993'],
];

for (const [text, value] of texts)
  test(`${text} keeps its digits wherever it stands`, () => {
    for (const around of [`{"a":${text}}`, `{"a": ${text} }`, `[${text}]`, `[1,\n\t${text}]`]) {
      const read = readExactJson(around);
      assert.deepEqual(Object.values(read.value as object).at(-1), value, around);
      assert.equal(read.hasBigints, typeof value === 'bigint');
      const written = writeExactJson(read.value as object);
      assert.equal(written.hasBigints, read.hasBigints);
      if (typeof value === 'number') continue;
      assert.deepEqual(parseExactJson(written.text), read.value);
      assert.equal(written.text, around.replaceAll(/\s(?![^"]*"\])/g, ''));
    }
  });

test('a key named __proto__ is a key like any other', () => {
  const value = parseExactJson('{"__proto__":9007199254740993}') as object;
  assert.deepEqual(Object.entries(value), [['__proto__', 9_007_199_254_740_993n]]);
});

test('arithmetic gets plain numbers', () => {
  assert.deepEqual(roundedIntegers({ a: [2n ** 60n, 'x', null], b: { c: 1n } }), {
    a: [2 ** 60, 'x', null],
    b: { c: 1 },
  });
});
