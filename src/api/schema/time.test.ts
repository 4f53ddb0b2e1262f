import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalMicroTime, canonicalTime, instantOf } from './time.ts';

test('an instant is read from RFC 3339 alone', () => {
  assert.equal(instantOf('1970-01-01T00:00:01Z'), 1000);
  assert.equal(instantOf('1970-01-01T01:00:01.25+01:00'), 1250);
  for (const text of ['', '1970-01-01', '1970-01-01T00:00:01', 'Thu, 01 Jan 1970 00:00:01 GMT'])
    assert.equal(instantOf(text), undefined, text);
});

test('times are written in UTC, and only those that can be read again are taken', () => {
  const rows: [given: string, expected: string][] = [
    ['2024-02-29T23:30:00-01:00', '2024-03-01T00:30:00Z'],
    ['2024-02-29T23:30:00Z', '2024-02-29T23:30:00Z'],
    ['2023-04-30T00:00:00Z', '2023-04-30T00:00:00Z'],
    ['2023-12-31T23:59:59Z', '2023-12-31T23:59:59Z'],
    ['2024-01-01T00:00:00.999Z', '2024-01-01T00:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
    ['9999-12-31T23:59:59+01:00', '9999-12-31T22:59:59Z'],
  ];
  for (const [given, expected] of rows) assert.equal(canonicalTime(given), expected, given);
  const refused: [given: string, why: string][] = [
    ['9999-12-31T23:59:59-01:00', 'year outside of range [0,9999]'],
    ['0000-01-01T00:00:00+01:00', 'year outside of range [0,9999]'],
    ['2023-02-29T00:00:00Z', 'day out of range'],
    ['2023-02-30T00:00:00Z', 'day out of range'],
    ['2023-04-31T00:00:00Z', 'day out of range'],
    ['2024-01-01T00:00:00+25:00', 'time zone offset hour out of range'],
    ['2024-01-01T00:00:00+01:61', 'time zone offset minute out of range'],
  ];
  for (const [given, why] of refused) {
    assert.deepEqual(canonicalTime(given), { error: `parsing time "${given}": ${why}` });
    const micro = given.replace(/(:\d\d)(Z|[+-]\d\d:\d\d)$/, '$1.000001$2');
    assert.deepEqual(canonicalMicroTime(micro), { error: `parsing time "${micro}": ${why}` });
  }
});
