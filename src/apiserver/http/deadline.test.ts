import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeoutMsOf } from './deadline.ts';

const cases: [string, number | string][] = [
  ['', 60_000],
  ['timeout=', 60_000],
  ['timeout=5s', 5_000],
  ['timeout=0s', 60_000],
  ['timeout=-1s', 60_000],
  ['timeout=2h', 60_000],
  ['timeout=soon', 'invalid timeout specified in the request URL - time: invalid duration "soon"'],
  ['timeout=5', 'invalid timeout specified in the request URL - time: missing unit in duration "5"'],
];

for (const [query, expected] of cases)
  test(`?${query} gives ${expected}`, () => {
    const read = () => timeoutMsOf(new URLSearchParams(query), 60_000);
    if (typeof expected === 'number') assert.equal(read(), expected);
    else assert.throws(read, { code: 400, message: expected });
  });
