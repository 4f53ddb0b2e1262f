import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstPemBlock } from './pem.ts';

const block = (type: string, body = 'AQID') => `-----BEGIN ${type}-----\n${body}\n-----END ${type}-----\n`;
const found = (text: string) => {
  const first = firstPemBlock(text);
  return first && `${first.type}:${[...first.bytes].join()}`;
};

test('the first whole block counts, whatever stands around it', () => {
  const cases: [string, string | undefined][] = [
    [block('A'), 'A:1,2,3'],
    [`text\n${block('A')}${block('B')}`, 'A:1,2,3'],
    [block('A').trimEnd(), 'A:1,2,3'],
    [block('A').replaceAll('\n', '\r\n'), 'A:1,2,3'],
    [block('A', 'AQ\n I\tD'), 'A:1,2,3'],
    [block('A', 'Key: value\n\nAQID'), 'A:1,2,3'],
    ['-----BEGIN A-----\n-----END A-----\n', 'A:'],
    [`-----BEGIN A-----\n${block('B')}`, 'B:1,2,3'],
    [`${block('A', 'AQI')}${block('B')}`, 'B:1,2,3'],
    [`-----BEGIN A-----\nAQID\n-----END B-----\n${block('C')}`, 'C:1,2,3'],
    [`x${block('A')}`, undefined],
    ['-----BEGIN A-----\nAQID\n-----END A----- x\n', undefined],
    ['-----BEGIN A-----\nAQID\n', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases) assert.equal(found(text), expected, text);
});
