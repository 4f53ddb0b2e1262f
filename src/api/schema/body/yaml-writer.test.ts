import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatYaml } from './yaml-writer.ts';

/** Each as upstream's encoder writes it. */
const strings: [value: string, written: string][] = [
  ['plain', 'plain'],
  ['a:b c', 'a:b c'],
  ['it"s', 'it"s'],
  ['a,b', 'a,b'],
  ['Infinity', 'Infinity'],
  ['<<', '<<'],
  ['0xg', '0xg'],
  ['1.2.3', '1.2.3'],
  ['2026-13-01', '2026-13-01'],
  ['', '""'],
  ['yes', '"yes"'],
  ['y', '"y"'],
  ['~', '"~"'],
  ['017', '"017"'],
  ['08', '"08"'],
  ['1_000', '"1_000"'],
  ['1e3', '"1e3"'],
  ['.5', '".5"'],
  ['12:30', '"12:30"'],
  ['2026-11-29T01:02:03Z', '"2026-11-29T01:02:03Z"'],
  ['2026-11-29', '"2026-11-29"'],
  ['#a', "'#a'"],
  ['a #b', "'a #b'"],
  ['a: b', "'a: b'"],
  ['a:', "'a:'"],
  ['- a', "'- a'"],
  ['---', "'---'"],
  ['{}', "'{}'"],
  ["'q'", "'''q'''"],
  [' a', "' a'"],
  ['a\tb', '"a\\tb"'],
  ['a\r\nb', '"a\\r\\nb"'],
  ['\u{1f600}', '"\\U0001F600"'],
  ['\u0000', '"\\0"'],
  ['日本', '日本'],
  ['a\nb', '|-\n  a\n  b'],
  ['a\n\nb\n', '|\n  a\n\n  b'],
  ['a\n\n', '|+\n  a\n'],
  ['  a\nb', '|2-\n    a\n  b'],
  ['a \nb', '"a \\nb"'],
  ['a\n\tb', '"a\\n\\tb"'],
];

for (const [value, written] of strings)
  test(`${JSON.stringify(value)} is written ${JSON.stringify(written)}`, () => {
    assert.equal(formatYaml({ v: value }), `v: ${written}\n`);
  });

test('long lines are folded at the first single space beyond the eightieth column', () => {
  const words = (count: number) => Array(count).fill('word').join(' ');
  const long = `${words(17)} end`;
  assert.equal(formatYaml({ v: long }), `v: ${words(16)}\n  word end\n`);
  assert.equal(formatYaml({ v: `${long}: x` }), `v: '${words(16)}\n  word end: x'\n`);
  assert.equal(formatYaml({ v: `${long}\t` }), `v: "${words(16)}\n  word end\\t"\n`);
  assert.equal(formatYaml([{ v: long }]), `- v: ${words(16)}\n    word end\n`);
  assert.equal(formatYaml({ v: `${'x'.repeat(80)}  y z` }), `v: ${'x'.repeat(80)}  y\n  z\n`);
});

test('keys are in order: digits as numbers, letters last', () => {
  const keys = ['b10', 'b2', 'B', '_a', '-x', 'a.b/c', '10', '9', ''];
  const map = Object.fromEntries(keys.map((key) => [key, 1]));
  assert.equal(formatYaml(map), '"": 1\n-x: 1\n_a: 1\n"9": 1\n"10": 1\nB: 1\na.b/c: 1\nb2: 1\nb10: 1\n');
});

test('a key that no line could hold stands after a question mark', () => {
  const key = 'k'.repeat(129);
  assert.equal(formatYaml({ [key]: 1 }), `? ${key}\n: 1\n`);
  assert.equal(formatYaml({ 'a\nb': { c: [1] } }), '? |-\n  a\n  b\n: c:\n  - 1\n');
});

test('lists stand below their key, and in lists after their dash', () => {
  const value = { a: [[1, [2]], { b: [], c: {} }], d: null, e: undefined };
  assert.equal(formatYaml(value), 'a:\n- - 1\n  - - 2\n- b: []\n  c: {}\nd: null\n');
});

test('numbers keep the digits of 64 bits, and fractions are written as Go does', () => {
  const value = [9007199254740993n, 123456789012, 1.5, 1234567.5, 1e-7, 1e20, -0];
  const lines = ['9007199254740993', '123456789012', '1.5', '1.2345675e+06', '1e-07', '1e+20', '0'];
  assert.equal(formatYaml(value), `${lines.map((line) => `- ${line}`).join('\n')}\n`);
});
