import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CronError } from '../../../api/batch/cron-schedule.ts';
import { parseCronSchedule } from './cron-schedule.ts';

/** schedule, after, the next times, time zone */
const rows: [string, string, string[], string?][] = [
  ['* * * * *', '2026-01-01T00:00:30Z', ['2026-01-01T00:01:00Z', '2026-01-01T00:02:00Z']],
  [
    '*/15 3 * * *',
    '2026-01-01T03:20:00Z',
    ['2026-01-01T03:30:00Z', '2026-01-01T03:45:00Z', '2026-01-02T03:00:00Z'],
  ],
  [
    '5-10/2 0 * * *',
    '2026-01-01T00:00:00Z',
    ['2026-01-01T00:05:00Z', '2026-01-01T00:07:00Z', '2026-01-01T00:09:00Z'],
  ],
  ['30/10 * * * *', '2026-01-01T00:00:00Z', ['2026-01-01T00:30:00Z', '2026-01-01T00:40:00Z']],
  ['0 0 29 2 *', '2026-01-01T00:00:00Z', ['2028-02-29T00:00:00Z']],
  ['0 12 * JAN mon-wed', '2026-01-01T00:00:00Z', ['2026-01-05T12:00:00Z', '2026-01-06T12:00:00Z']],
  // With both day fields set, either one is enough.
  ['0 0 13 * 5', '2026-02-01T00:00:00Z', ['2026-02-06T00:00:00Z', '2026-02-13T00:00:00Z']],
  ['0 0 ? * ?', '2026-01-01T00:00:00Z', ['2026-01-02T00:00:00Z']],
  ['@hourly', '2026-01-01T00:00:00Z', ['2026-01-01T01:00:00Z']],
  ['@weekly', '2026-01-01T00:00:00Z', ['2026-01-04T00:00:00Z']],
  ['@every 1h30m', '2026-01-01T00:00:00Z', ['2026-01-01T01:30:00Z']],
  ['0 9 * * *', '2026-07-01T00:00:00Z', ['2026-07-01T07:00:00Z'], 'Europe/Berlin'],
  ['0 9 * * *', '2026-01-01T00:00:00Z', ['2026-01-01T08:00:00Z'], 'Europe/Berlin'],
  // Clocks go from 02:00 to 03:00 on 29 March: there is no half past two that day.
  ['30 2 * * *', '2026-03-28T12:00:00Z', ['2026-03-30T00:30:00Z'], 'Europe/Berlin'],
  // Clocks go back on 25 October: what comes twice is due twice, so that nothing pauses for an hour.
  [
    '30 2 * * *',
    '2026-10-24T12:00:00Z',
    ['2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z', '2026-10-26T01:30:00Z'],
    'Europe/Berlin',
  ],
  [
    '0 */2 * * *',
    '2026-10-24T22:30:00Z',
    ['2026-10-25T00:00:00Z', '2026-10-25T01:00:00Z', '2026-10-25T03:00:00Z'],
    'Europe/Berlin',
  ],
  [
    '30 1 * * *',
    '2026-04-04T00:00:00Z',
    ['2026-04-04T14:30:00Z', '2026-04-04T15:00:00Z', '2026-04-05T15:00:00Z'],
    'Australia/Lord_Howe',
  ],
  // No midnight that day.
  ['0 0 * * *', '2026-09-05T00:00:00Z', ['2026-09-05T04:00:00Z', '2026-09-07T03:00:00Z'], 'America/Santiago'],
  // A step of one is every day, and leaves the weekday to decide; other steps name days of the month.
  ['0 0 */1 * 5', '2026-01-01T12:00:00Z', ['2026-01-02T00:00:00Z', '2026-01-09T00:00:00Z']],
  [
    '0 0 */2 * 5',
    '2026-01-01T12:00:00Z',
    ['2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z', '2026-01-05T00:00:00Z'],
  ],
];

for (const [text, after, expected, zone] of rows) {
  test(`"${text}"${zone ? ` in ${zone}` : ''} is due as it says`, () => {
    const schedule = parseCronSchedule(text, zone);
    let ms = Date.parse(after);
    for (const time of expected) {
      ms = schedule.next(ms) ?? Number.NaN;
      assert.equal(new Date(ms).toISOString(), time.replace('Z', '.000Z'));
    }
  });
}

for (const [text, after, until, expected, zone] of [
  ['* * * 1 *', '2026-01-01T00:00:00Z', '2026-12-24T00:00:00Z', '2026-01-31T23:59:00Z'],
  ['0 0 29 2 *', '2020-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2024-02-29T00:00:00Z'],
  ['30 2 * * *', '2026-03-01T00:00:00Z', '2026-03-29T12:00:00Z', '2026-03-28T01:30:00Z', 'Europe/Berlin'],
  ['0 12 * * *', '2026-01-01T00:00:00Z', '2026-01-01T12:00:00Z', '2026-01-01T12:00:00Z'],
  ['0 12 * * *', '2026-01-01T12:00:00Z', '2026-01-02T11:59:59Z', undefined],
  ['@every 1h30m', '2026-01-01T00:00:00Z', '2026-01-01T10:00:00Z', '2026-01-01T09:00:00Z'],
  ['@every 1h30m', '2026-01-01T00:00:00Z', '2026-01-01T01:29:59Z', undefined],
] as const)
  test(`"${text}" was last due as it says, between ${after} and ${until}`, () => {
    const found = parseCronSchedule(text, zone).latest(Date.parse(after), Date.parse(until));
    assert.equal(found, expected && Date.parse(expected));
  });

for (const text of [
  'x',
  '* * * *',
  '60 * * * *',
  '* * * 13 *',
  '5-1 * * * *',
  '*/0 * * * *',
  '@sometimes',
  '@every x',
]) {
  test(`"${text}" is no schedule`, () => {
    assert.throws(() => parseCronSchedule(text), CronError);
  });
}

test('a time zone that does not exist is refused', () => {
  assert.throws(() => parseCronSchedule('@daily', 'Mars/Olympus'), /unknown time zone Mars\/Olympus/);
});
