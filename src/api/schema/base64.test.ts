import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalBase64 } from './base64.ts';

test('base64 is kept as its bytes are written, or is wrong where Go says so', () => {
  const rows: readonly (readonly [text: string, outcome: string | number])[] = [
    ['', ''],
    ['YQ==', 'YQ=='],
    ['YR==', 'YQ=='],
    ['YW\nI=', 'YWI='],
    ['YWJj', 'YWJj'],
    ['hello', 4],
    ['Yg==Yg==', 4],
    ['Yg=', 3],
    ['Yg=x', 2],
    ['Y=', 1],
    ['Y!', 1],
    ['{a:b}', 0],
    ['YWJj*', 4],
    ['YWI=\n', 'YWI='],
    ['YWI=x', 4],
  ];
  for (const [text, outcome] of rows) assert.equal(canonicalBase64(text), outcome, JSON.stringify(text));
});
