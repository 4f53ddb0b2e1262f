import assert from 'node:assert/strict';
import { test } from 'node:test';
import { warningsOf } from './body.ts';
import { parseYaml, parseYamlStrictly } from './yaml.ts';
import { formatYaml } from './yaml-writer.ts';

test('written YAML is read back unchanged, whatever its strings would mean unquoted', () => {
  const words = [
    'yes',
    'off',
    'y',
    'True',
    'null',
    '~',
    '',
    '<<',
    '=',
    '12',
    '1_000',
    '1e3',
    '.5',
    '0x1F',
    '017',
    '0o17',
  ];
  const texts = [
    '1:30',
    '80:80',
    '2020-01-01',
    ' lead',
    'trail ',
    '# c',
    'a: b',
    '- a',
    'a\n\n b\n',
    'tab\t',
    'é\u0007',
  ];
  for (const text of [...words, ...texts]) {
    const value = { [text]: text, list: [text, { key: text }] };
    assert.deepEqual(parseYaml(formatYaml(value)).value, value, text);
  }
  const value = {
    long: 'word '.repeat(100),
    yes: true,
    none: null,
    half: 1.5,
    empty: {},
    list: [],
    far: 9007199254740993n,
  };
  assert.deepEqual(parseYaml(formatYaml(value)).value, value);
});

test('keys are written in order, lists without indentation, what stands twice twice, and what is absent not', () => {
  const labels = { app: 'yes' };
  assert.equal(
    formatYaml({ b: [labels, { to: 1, from: labels }], a: undefined }),
    'b:\n- app: "yes"\n- from:\n    app: "yes"\n  to: 1\n',
  );
});

test('a key that stands twice is a problem to tell of, and an error to who reads strictly', () => {
  assert.deepEqual(parseYaml('a: 1\na: 2\n'), {
    value: { a: 2 },
    problems: [{ kind: 'repeated key', line: 2, key: 'a' }],
  });
  assert.throws(() => parseYamlStrictly('a: 1\na: 2\n'), {
    message: 'yaml: line 2: key "a" already set in map',
  });
  assert.deepEqual(parseYamlStrictly('a: 1\n'), { a: 1 });
});

test('a text of nothing but empty lines takes no more time than any other', () => {
  for (const lineBreak of ['\n', '\r', '\r\n']) {
    const startMs = performance.now();
    assert.equal(parseYaml(lineBreak.repeat(200_000)).value, null);
    assert.deepEqual(parseYaml(`${lineBreak.repeat(200_000)}# why\na: 1`).value, { a: 1 });
    assert.ok(performance.now() - startMs < 5_000, JSON.stringify(lineBreak));
  }
});

test('comments alone are no document, and numbers that JSON lacks are refused', () => {
  assert.equal(parseYaml('# nothing\n\n  # more\n').value, null);
  for (const [text, name] of [
    ['a: [.inf]', '+Inf'],
    ['a: -.INF', '-Inf'],
    ['{a: .nan}', 'NaN'],
  ])
    assert.throws(() => parseYaml(text!), { message: `json: unsupported value: ${name}` });
  assert.deepEqual(parseYaml('a: x.info').value, { a: 'x.info' });
});

test('strict validation reports all duplicate keys as one mistake, in the words of the parser', () => {
  const expected = { group: '', version: 'v1', kind: 'ConfigMap' };
  const problems = [
    { kind: 'repeated key' as const, line: 7, key: 'a' },
    { kind: 'repeated key' as const, line: 9, key: 'b' },
    { kind: 'unknown field' as const, path: 'x' },
  ];
  assert.throws(() => warningsOf(problems, expected, 'Strict'), {
    message:
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ' +
      'yaml: unmarshal errors:\n  line 7: key "a" already set in map\n  line 9: key "b" already set in map, unknown field "x"',
  });
  assert.deepEqual(warningsOf(problems.slice(0, 1), expected, 'Warn'), [
    'line 7: key "a" already set in map',
  ]);
});

test('tags that say nothing here are passed over, and bytes in base64 are the text that they make', () => {
  const value = (text: string) => parseYaml(text).value;
  assert.deepEqual(value('a: !!binary aGVsbG8='), { a: 'hello' });
  assert.deepEqual(value('a: !!binary |\n  aGVs\n  bG8='), { a: 'hello' });
  assert.throws(() => value('a: !!binary x'), {
    message: 'yaml: !!binary value contains invalid base64 data',
  });
  assert.deepEqual(value('a: !foo 5\nb: !!timestamp 2001-01-01\nc: !!str 5'), {
    a: '5',
    b: '2001-01-01',
    c: '5',
  });
  assert.deepEqual(value('a: !!set {x, z}\nb: !own [1]\nc: !!omap {d: e}'), {
    a: { x: null, z: null },
    b: [1],
    c: { d: 'e' },
  });
});

test('a key that JSON cannot have is refused in upstream’s words', () => {
  const rows = [
    ['~: b', 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "b"'],
    ['? [a, 1]\n: b', 'yaml: invalid map key: []interface {}{"a", 1}'],
    ['? {a: b}\n: c', 'yaml: invalid map key: map[interface {}]interface {}{"a":"b"}'],
  ];
  for (const [text, message] of rows) assert.throws(() => parseYaml(text!), { message: message! });
});

test('what follows the end of a document is not read', () => {
  assert.deepEqual(parseYaml('a: b\n...\n}{\n').value, { a: 'b' });
  assert.deepEqual(parseYaml('a: |\n  x\n  ...\n').value, { a: 'x\n...\n' });
});
