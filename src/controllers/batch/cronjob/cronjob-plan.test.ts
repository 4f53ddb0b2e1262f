import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CronJob, Job } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { parseCronSchedule } from './cron-schedule.ts';
import { dueTimes, planStart, surplusJobs } from './cronjob-plan.ts';

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

const dueMs = at('00:10:00');
const minute = Math.floor(dueMs / 60_000);
/** what the CronJob says; what happens a second after ten past */
for (const [title, spec, status, step] of [
  ['none runs', {}, {}, 'start'],
  ['one runs and may have company', {}, { active: [{ name: 'c-1' }] }, 'start'],
  ['one runs and may not', { concurrencyPolicy: 'Forbid' }, { active: [{ name: 'c-1' }] }, 'still running'],
  ['one runs and must make way', { concurrencyPolicy: 'Replace' }, { active: [{ name: 'c-1' }] }, 'replace'],
  ['none runs that must make way', { concurrencyPolicy: 'Replace' }, {}, 'start'],
  [
    'that of the same minute runs',
    { concurrencyPolicy: 'Replace' },
    { active: [{ name: `c-${minute}` }] },
    'done',
  ],
  ['it was started', {}, { lastScheduleTime: '2026-01-01T00:10:00Z' }, 'done'],
  ['the deadline is over', { startingDeadlineSeconds: 0 }, {}, 'too late'],
  ['the deadline is not over', { startingDeadlineSeconds: 1 }, {}, 'start'],
] as const)
  test(`a due time, when ${title}: ${step}`, () => {
    const cronJob = sparse<CronJob>({ metadata: { name: 'c' }, spec, status });
    assert.equal(planStart(cronJob, dueMs, dueMs + 1_000), step);
  });

test('of the finished jobs, the oldest of each outcome go', () => {
  const ended = (name: string, type: 'Complete' | 'Failed', startTime: string) =>
    sparse<Job>({ metadata: { name }, status: { startTime, conditions: [{ type, status: 'True' }] } });
  const jobs = [
    ended('c', 'Complete', '3'),
    ended('a', 'Complete', '1'),
    ended('b', 'Complete', '2'),
    ended('e', 'Failed', '5'),
    ended('d', 'Failed', '4'),
    sparse<Job>({ metadata: { name: 'runs' }, status: { startTime: '0' } }),
  ];
  const names = (spec: object) =>
    surplusJobs(sparse<CronJob>({ metadata: {}, spec }), jobs).map(({ metadata }) => metadata.name);
  assert.deepEqual(names({ successfulJobsHistoryLimit: 1 }), ['a', 'b', 'd']);
  assert.deepEqual(names({ successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 2 }), []);
});
