import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goQuote } from './go-quote.ts';

const cases: [string, string][] = [
  ['plain text', '"plain text"'],
  ['say "hi" \\', String.raw`"say \"hi\" \\"`],
  ['\u0007\b\f\n\r\t\v', String.raw`"\a\b\f\n\r\t\v"`],
  ['\u0001\u001f\u007f', String.raw`"\x01\x1f\x7f"`],
  ['süß 世界 €', '"süß 世界 €"'],
  ['\u00a0\u200b', String.raw`"\u00a0\u200b"`],
  ['\u{e0001}', String.raw`"\U000e0001"`],
];

for (const [text, expected] of cases)
  test(`${expected} is how Go quotes it`, () => assert.equal(goQuote(text), expected));
