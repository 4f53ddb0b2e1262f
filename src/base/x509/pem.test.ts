import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstPemBlock, pemBlocks } from './pem.ts';

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

test('block after block is read, and what is none is passed over', () => {
  const text = `${block('A')}text\n${block('B', 'no')}${block('C', 'Key: value\n\nAQID')}${block('D', '').trimEnd()}`;
  assert.deepEqual(
    [...pemBlocks(text)].map(({ type, hasHeaders, bytes }) => [type, hasHeaders, [...bytes]]),
    [
      ['A', false, [1, 2, 3]],
      ['C', true, [1, 2, 3]],
      ['D', false, []],
    ],
  );
});

test('a text of many beginnings and ends is read once, whatever it looks like', () => {
  const cpuMsMax = 2000;
  for (const line of ['-----BEGIN A-----\n', '-----BEGIN A:-----\n-----END :\n', '-----END A-----\n']) {
    const start = process.cpuUsage();
    assert.deepEqual([...pemBlocks(line.repeat(60_000))], []);
    const { user } = process.cpuUsage(start);
    assert.ok(user / 1000 < cpuMsMax, `${line}: ${user / 1000} ms`);
  }
});
