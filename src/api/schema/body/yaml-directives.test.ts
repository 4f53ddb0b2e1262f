import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from './yaml.ts';

const read = (text: string) => parseYaml(text).value;

test('documents of YAML 1.1 may say so, and may have names for their tags', () => {
  for (const text of [
    '%YAML 1.1\n---\na: 1',
    '# first\n\n%YAML 1.1 # so be it\n--- # here\na: 1\n---\nb: 2',
    '%YAML 01.1\n%TAG ! tag:example.com,2000:\n---\na: 1',
    '%TAG !e! tag:example.com,2000:\n%TAG !f! tag:example.com,2000:\n---\na: 1\n...\n%FOO',
  ])
    assert.deepEqual(read(text), { a: 1 }, text);
  assert.deepEqual(read('%TAG !e! tag:example.com,2000:\n---\na: !e!x b'), { a: 'b' });
});

test('no other line begins a directive', () => {
  assert.deepEqual(read('a: |\n  x\n  %YAML 9\n'), { a: 'x\n%YAML 9\n' });
  assert.deepEqual(read('a: 1\n---\n%YAML 9\n'), { a: 1 });
});

const refused: [text: string, problem: string][] = [
  ['%YAML 1.2\n---\na: 1', 'found incompatible YAML document'],
  ['\n\n%YAML 1.2\n---\na: 1', 'line 2: found incompatible YAML document'],
  ['%YAML 1.1\n%YAML 1.1\n---\na: 1', 'line 1: found duplicate %YAML directive'],
  ['%TAG ! a\n%TAG ! b\n---\na: 1', 'line 1: found duplicate %TAG directive'],
  ['%YAML 1.1\na: 1', 'line 1: did not find expected <document start>'],
  ['%FOO\n---\na: 1', 'found unknown directive name'],
  ['# x\n%FOO bar\n---\na: 1', 'line 2: found unknown directive name'],
  ['% YAML 1.1\n---\na: 1', 'could not find expected directive name'],
  ['%YAML: 1.1\n---\na: 1', 'found unexpected non-alphabetical character'],
  ['%YAML 1\n---\na: 1', "did not find expected digit or '.' character"],
  ['%YAML x\n---\na: 1', 'did not find expected version number'],
  ['%YAML 1.\n---\na: 1', 'did not find expected version number'],
  ['%YAML 1.100\n---\na: 1', 'found extremely long version number'],
  ['%YAML 1.1 x\n---\na: 1', 'did not find expected comment or line break'],
  ['%TAG e a\n---\na: 1', "did not find expected '!'"],
  ['%TAG !e a\n---\na: 1', "did not find expected '!'"],
  ['%TAG !e!\n---\na: 1', 'did not find expected whitespace'],
  ['%TAG !e! "\n---\na: 1', 'did not find expected tag URI'],
  ['%TAG !e! a"\n---\na: 1', 'did not find expected whitespace or line break'],
];
for (const [text, problem] of refused)
  test(`${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => read(text), { message: `yaml: ${problem}` });
  });
