import assert from 'node:assert/strict';
import { test } from 'node:test';
import { warningHeaders } from './warning-headers.ts';

const text = (length: number, start = '') => start.padEnd(length, 'x');
const lengthsOf = (headers: readonly string[]) => headers.map((header) => header.length - '299 - ""'.length);

test('each warning is a header, said once, in a form that a header can carry', () => {
  assert.deepEqual(warningHeaders(['a "b"', 'a "b"', '', 'c\nd\\']), [
    '299 - "a \\"b\\""',
    '299 - "c d\\\\"',
  ]);
  const [header = ''] = warningHeaders(['é 日']);
  assert.equal(Buffer.from(header, 'latin1').toString(), '299 - "é 日"', 'written as bytes, it is UTF-8');
});

test('warnings are cut as upstream cuts them', () => {
  const rows: [what: string, texts: string[], lengths: number[]][] = [
    ['what fits together is whole', [text(2000, 'a'), text(2096, 'b')], [2000, 2096]],
    ['what does not is cut, one by one', [text(2000, 'a'), text(2097, 'b')], [256, 256]],
    [
      'the first that is too long is cut, and those after it follow',
      [text(5000, 'a'), text(10, 'b')],
      [256, 10],
    ],
    [
      'cut ones follow until they fill the total',
      Array.from({ length: 40 }, (_, index) => text(300, String(index).padStart(2, '0'))),
      Array<number>(16).fill(256),
    ],
    [
      'short ones that were taken before are all kept',
      Array.from({ length: 3000 }, (_, index) => `${index}`.padStart(4, '0')),
      Array<number>(1025).fill(4),
    ],
  ];
  for (const [what, texts, lengths] of rows)
    assert.deepEqual(lengthsOf(warningHeaders(texts)), lengths, what);
});
