import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGoDuration, parseGoDuration, parsePeriodMs } from './go-duration.ts';

const cases: [string, number | string][] = [
  ['0', 0],
  ['5s', 5_000],
  ['1h30m', 5_400_000],
  ['-2.5s', -2_500],
  ['+.5ms', 0.5],
  ['1µs', 0.001],
  ['1m1m', 120_000],
  ['', 'time: invalid duration ""'],
  ['-', 'time: invalid duration "-"'],
  ['x', 'time: invalid duration "x"'],
  ['.s', 'time: invalid duration ".s"'],
  ['5', 'time: missing unit in duration "5"'],
  ['1s5', 'time: missing unit in duration "1s5"'],
  ['5x', 'time: unknown unit "x" in duration "5x"'],
  ['3000000h', 'time: invalid duration "3000000h"'],
];

for (const [text, expected] of cases)
  test(`${JSON.stringify(text)} as a duration is ${expected}`, () => {
    const result = parseGoDuration(text);
    assert.deepEqual(result, typeof expected === 'number' ? expected : { error: expected });
  });

test('a period is a duration that is not negative', () => {
  assert.deepEqual(['0s', '1.5s', '-1s', 'soon'].map(parsePeriodMs), [0, 1_500, undefined, undefined]);
});

const printed: [number, string][] = [
  [0, '0s'],
  [0.9, '0s'],
  [850.9, '850ms'],
  [10_000, '10s'],
  [1_234.5, '1.234s'],
  [62_500, '1m2.5s'],
  [300_000, '5m0s'],
  [7_200_001, '2h0m0.001s'],
];
for (const [ms, text] of printed)
  test(`${ms} ms are printed as ${text}`, () => assert.equal(formatGoDuration(ms), text));
