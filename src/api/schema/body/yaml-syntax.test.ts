import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml, YamlError } from './yaml.ts';

const broken: [text: string, problem: string][] = [
  ['a: b: c', 'mapping values are not allowed in this context'],
  ['x: 1\na: b: c', 'line 2: mapping values are not allowed in this context'],
  ['spec:\n  x: 1\n   y: 2\n', 'line 3: mapping values are not allowed in this context'],
  ['x:\n- 1\n b: 2', 'line 3: mapping values are not allowed in this context'],
  ['key: - a', 'block sequence entries are not allowed in this context'],
  ['a: ? b', 'mapping keys are not allowed in this context'],
  ['x:\n    b: 2\n  c: 3', 'line 2: did not find expected key'],
  ['a: "b" c', 'did not find expected key'],
  ['a: b\n- c', 'line 1: did not find expected key'],
  ['- 1\nb: 2', "line 1: did not find expected '-' indicator"],
  ['x: 1\nfoo\nb: 1', "line 3: could not find expected ':'"],
  ['a: [', 'line 1: did not find expected node content'],
  ['a: [\n', 'line 1: did not find expected node content'],
  ['a: [1, 2', "line 1: did not find expected ',' or ']'"],
  ['a: {b: 1', "line 1: did not find expected ',' or '}'"],
  ['z: 1\nb: {x: 1 y: 2}', "line 1: did not find expected ',' or '}'"],
  ['x: {a: 1,\nb: [1, }', 'line 1: did not find expected node content'],
  ['z: 1\na: ]', 'line 1: did not find expected node content'],
  ['a: "x', 'found unexpected end of stream'],
  ['z: 1\na: "x\n\n', 'line 4: found unexpected end of stream'],
  ['z: 1\na: "\\q"', 'line 2: found unknown escape character'],
  ['a: `x`', 'found character that cannot start any token'],
  ['@a', 'found character that cannot start any token'],
  ['\tk: v', 'found character that cannot start any token'],
  ['x: 1\n\ta: 1', 'line 2: found a tab character that violates indentation'],
  ['a: b\n c\nd', "line 4: could not find expected ':'"],
  ['k:\nb', "line 3: could not find expected ':'"],
  ["k: 'a\n# c\n", 'line 3: found unexpected end of stream'],
  ['a:\n\t- b', 'line 2: found character that cannot start any token'],
  ['a: &\nb: 1', 'did not find expected alphabetic or numeric character'],
  ['a: |x\n', 'did not find expected comment or line break'],
];
for (const [text, problem] of broken)
  test(`${JSON.stringify(text)}: ${problem}`, () => {
    assert.throws(() => parseYaml(text), { name: YamlError.name, message: `yaml: ${problem}` });
  });

const flowing: [text: string, value: unknown][] = [
  ['x: {a: 1,\nb: 2}', { x: { a: 1, b: 2 } }],
  ['a:\n  b: [\n1,\n  2\n  ]\n', { a: { b: [1, 2] } }],
  ['a: {\n}\nb: [\n]\n', { a: {}, b: [] }],
  ['a: [\n\t1\n]', { a: [1] }],
  ['a: "x\ny"', { a: 'x y' }],
  ["- - - a: 'x\n\ny'\n      b: 1", [[[{ a: 'x\ny', b: 1 }]]]],
  ['a: [\n# none\n]', { a: [] }],
];
for (const [text, value] of flowing)
  test(`within brackets and quotes lines begin anywhere: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseYaml(text).value, value);
  });

const ends: [text: string, value: unknown][] = [
  ['k: |\n  x\n  y', { k: 'x\ny' }],
  ['k: |\n  x\n', { k: 'x\n' }],
  ['k: |+\n  x', { k: 'x' }],
  ['k: >\n  x\n  y', { k: 'x y' }],
  ['k: |-\n  x', { k: 'x' }],
  ['a:\n- b: |2\n    x', { a: [{ b: 'x' }] }],
  ['k: |\n  x\n ', { k: 'x\n' }],
  ['a: |\n  x\nb: z', { a: 'x\n', b: 'z' }],
];
for (const [text, value] of ends)
  test(`a text has the last line break only if it is there: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseYaml(text).value, value);
  });

test('keys that stand twice are found in indented texts, too', () => {
  const { value, problems } = parseYaml('a: [\n]\nb: 1\nb: 2');
  assert.deepEqual(value, { a: [], b: 2 });
  assert.deepEqual(problems.length, 1);
});

test('many lines that begin too far left cost no more than so much time', () => {
  const startMs = performance.now();
  const lines = '1,\n'.repeat(200_000);
  assert.throws(() => parseYaml(`a: [\n${lines}]`), YamlError);
  assert.ok(performance.now() - startMs < 60_000);
});
