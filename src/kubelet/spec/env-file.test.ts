import assert from 'node:assert/strict';
import { test } from 'node:test';
import { variableInFile } from './env-file.ts';

const text = [
  '# what the others need',
  "A='one'",
  '',
  "  B = 'two # three'  # a remark",
  "LINES='first",
  "second = \\n'",
  "EMPTY=''",
  "A='later'",
].join('\n');

const rows: [name: string, value: string | undefined][] = [
  ['A', 'one'],
  ['B', 'two # three'],
  ['LINES', 'first\nsecond = \\n'],
  ['EMPTY', ''],
  ['NOPE', undefined],
];
for (const [name, value] of rows)
  test(`${name} in a file of variables is ${JSON.stringify(value)}`, () => {
    assert.equal(variableInFile(text, name), value);
  });

for (const [what, bad] of [
  ['without quotes', 'A=one'],
  ['in double quotes', 'A="one"'],
  ['that is not ended', "A='one"],
  ['with something behind it', "A='one' two"],
  ['of no name', "='one'"],
] as const)
  test(`a value ${what} makes the file useless`, () => {
    assert.throws(
      () => variableInFile(`# x\n${bad}\n`, 'A'),
      /invalid environment variable format at line 2/,
    );
  });
