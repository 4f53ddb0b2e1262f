import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CronJob } from '../../api/resources.gen.ts';
import { parseCronSchedule } from './cron-schedule.ts';
import { dueTimes } from './cronjob.ts';

const at = (text: string) => Date.parse(`2026-01-01T${text}Z`);

for (const [schedule, last, now, deadline, newest, missed] of [
  ['*/10 * * * *', undefined, '00:09:59', undefined, undefined, 'none'],
  ['*/10 * * * *', undefined, '00:10:00', undefined, '00:10:00', 'few'],
  ['*/10 * * * *', '00:10:00', '00:19:00', undefined, undefined, 'none'],
  ['*/10 * * * *', '00:10:00', '01:05:00', undefined, '01:00:00', 'few'],
  ['* * * * *', '00:00:00', '01:40:30', undefined, '01:40:00', 'few'],
  ['* * * * *', '00:00:00', '01:41:30', undefined, '01:41:00', 'many'],
  ['* * * * *', '00:00:00', '23:59:30', undefined, '23:59:00', 'many'],
  // The newest, also when nothing is due for hours before now, and when times count from the first one.
  ['* 0-9 * * *', '00:00:00', '20:30:00', undefined, '09:59:00', 'many'],
  ['@every 7m', '00:00:00', '23:50:00', undefined, '23:48:00', 'many'],
  // Only what a deadline still allows counts as missed.
  ['* * * * *', '00:00:00', '23:59:30', 200, '23:59:00', 'few'],
  ['0 * * * *', '00:00:00', '23:30:00', 200, undefined, 'none'],
] as const)
  test(`"${schedule}" after ${last} at ${now}, deadline ${deadline}: ${newest} is due, ${missed} were missed`, () => {
    const cronJob = {
      metadata: { creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { schedule, startingDeadlineSeconds: deadline },
      status: { lastScheduleTime: last && `2026-01-01T${last}Z` },
    } as CronJob;
    const found = dueTimes(cronJob, parseCronSchedule(schedule), at(now));
    assert.deepEqual(found, { newestMs: newest && at(newest), missed });
  });
