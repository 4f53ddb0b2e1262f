import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipv4FromNumber, ipv4ToNumber, parseIPv4 } from './ipv4.ts';

const addresses: [text: string, number: number][] = [
  ['0.0.0.0', 0],
  ['10.96.0.10', 174_063_626],
  ['127.255.255.255', 2 ** 31 - 1],
  ['128.0.0.0', 2 ** 31],
  ['255.255.255.255', 2 ** 32 - 1],
];

for (const [text, number] of addresses)
  test(`${text} is ${number}, and back`, () => {
    assert.equal(parseIPv4(text), number);
    assert.equal(ipv4ToNumber(text), number);
    assert.equal(ipv4FromNumber(number), text);
  });

for (const text of [
  '',
  '10',
  '10.0.0',
  '10.0.0.0.0',
  '10.0.0.256',
  '10.0.0.01',
  '10.0.0.-1',
  '10.0.0.x',
  '::1',
])
  test(`"${text}" is no IPv4 address`, () => assert.equal(parseIPv4(text), undefined));
