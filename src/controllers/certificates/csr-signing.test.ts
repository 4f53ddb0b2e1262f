import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validityOf } from './csr-signing.ts';

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;
const backdateMs = 300_000;

/** what is asked for, when the authority ends; when the certificate ends; all from now */
const rows: [string, number | undefined, number, number][] = [
  ['an hour is given in full', 3_600, yearMs, hourMs],
  ['ten minutes are the least', 1, yearMs, 600_000],
  ['eight hours begin before now', 8 * 3_600, yearMs, 8 * hourMs - backdateMs],
  ['a year is what nobody asks for', undefined, 2 * yearMs, yearMs - backdateMs],
  ['a year is the most', 3 * 365 * 86_400, 9 * yearMs, yearMs - backdateMs],
  ['no certificate outlives its authority', undefined, hourMs, hourMs],
];
for (const [title, askedSeconds, authorityEndMs, endMs] of rows)
  test(title, () => {
    const nowMs = Date.parse('2030-01-01T00:00:00Z');
    assert.deepEqual(validityOf(askedSeconds, nowMs + authorityEndMs, nowMs), {
      notBefore: new Date(nowMs - backdateMs),
      notAfter: new Date(nowMs + endMs),
    });
  });

test('an authority that has ended signs nothing', () => {
  const nowMs = Date.parse('2030-01-01T00:00:00Z');
  assert.throws(
    () => validityOf(3_600, nowMs - 1_000, nowMs),
    /the signer has expired: NotAfter=2029-12-31T23:59:59/,
  );
});
