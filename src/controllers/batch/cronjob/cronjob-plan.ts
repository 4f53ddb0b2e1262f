/** What a CronJob does next, and what its Jobs tell about it. Decides; never acts. */

import { findCondition } from '../../../api/conditions.ts';
import { type Draft, keyOf } from '../../../api/meta.ts';
import { CronJob, type Job } from '../../../api/resources.gen.ts';
import { formatTime } from '../../../api/schema/time.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { controllerReference } from '../../adoption.ts';
import { type CronSchedule, formatInZone } from './cron-schedule.ts';

const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** A schedule with this many missed times is wrong, or a clock is: reported, then ignored. */
const missedMax = 100;

/** The last time that was acted on, or the beginning. */
export function startOf({ metadata, status }: CronJob): number {
  return Date.parse(status?.lastScheduleTime ?? metadata.creationTimestamp);
}

/** Times that are due: the newest, and how many there were since the last one that was acted on. */
export function dueTimes(
  cronJob: CronJob,
  schedule: CronSchedule,
  nowMs: number,
): { newestMs: number | undefined; missed: 'none' | 'few' | 'many' } {
  const { startingDeadlineSeconds } = cronJob.spec!;
  let fromMs = startOf(cronJob);
  if (startingDeadlineSeconds !== undefined)
    fromMs = Math.max(fromMs, nowMs - startingDeadlineSeconds * 1000);
  let newestMs: number | undefined;
  let count = 0;
  for (let next = schedule.next(fromMs); next !== undefined && next <= nowMs; next = schedule.next(next)) {
    newestMs = next;
    if (++count > missedMax) return { newestMs: schedule.latest(next, nowMs) ?? next, missed: 'many' };
  }
  return { newestMs, missed: count === 0 ? 'none' : 'few' };
}

export type CronStep = 'start' | 'replace' | 'done' | 'too late' | 'still running';

/** What the newest due time calls for. */
export function planStart({ metadata, spec, status }: CronJob, dueMs: number, nowMs: number): CronStep {
  const { startingDeadlineSeconds, concurrencyPolicy } = spec!;
  if (startingDeadlineSeconds !== undefined && dueMs + startingDeadlineSeconds * 1000 < nowMs)
    return 'too late';
  const active = status?.active ?? [];
  // Names tell minutes apart: a schedule in seconds does not start a job beside, or in place of, that of its minute.
  const isActive = active.some(({ name }) => name === nameAt({ metadata }, dueMs));
  if (isActive || status?.lastScheduleTime === formatTime(dueMs)) return 'done';
  if (active.length > 0 && concurrencyPolicy === 'Forbid') return 'still running';
  return active.length > 0 && concurrencyPolicy === 'Replace' ? 'replace' : 'start';
}

export interface FollowPlan {
  /** Jobs that neither the status nor their own names and annotations explain. */
  unexpected: Job[];
  /** Jobs that were created just before a crash, and not recorded: they count, or the next would run beside them. */
  recalled: core.ObjectReference[];
  lastScheduleTime: string | undefined;
  lastSuccessfulTime: string | undefined;
}

/** What the existing jobs add to the status. */
export function planFollow(cronJob: CronJob, jobs: readonly Job[]): FollowPlan {
  const { status } = cronJob;
  const listed = new Set(status?.active?.map(({ uid }) => uid));
  const unlisted = jobs.filter((job) => !finishedAs(job) && !listed.has(job.metadata.uid));
  const forgotten = unlisted.filter((job) => startedFor(cronJob, job) !== undefined);
  const succeeded = jobs.filter((job) => finishedAs(job) === 'Complete');
  return {
    unexpected: unlisted.filter((job) => !forgotten.includes(job)),
    recalled: forgotten.filter((job) => !job.metadata.deletionTimestamp).map(referenceTo),
    lastScheduleTime: latest([status?.lastScheduleTime, ...forgotten.map((job) => startedFor(cronJob, job))]),
    lastSuccessfulTime: latest([
      status?.lastSuccessfulTime,
      ...succeeded.map((job) => job.status?.completionTime),
    ]),
  };
}

/** Finished jobs beyond the history limits, oldest first. */
export function surplusJobs({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = spec!;
  const limits = { Complete: successfulJobsHistoryLimit, Failed: failedJobsHistoryLimit };
  return Object.entries(limits).flatMap(([outcome, limit]) => {
    const finished = jobs
      .filter((job) => finishedAs(job) === outcome && !job.metadata.deletionTimestamp)
      .sort(byStart);
    return finished.slice(0, Math.max(0, finished.length - limit));
  });
}

/** The job for a time. */
export function jobAt(cronJob: CronJob, dueMs: number): Draft<Job> {
  const { metadata, spec } = cronJob.spec!.jobTemplate;
  return {
    metadata: {
      name: nameAt(cronJob, dueMs),
      namespace: cronJob.metadata.namespace,
      ...(metadata?.labels && { labels: { ...metadata.labels } }),
      annotations: {
        ...metadata?.annotations,
        [scheduledAnnotation]: formatInZone(dueMs, cronJob.spec!.timeZone),
      },
      ownerReferences: [controllerReference({ type: CronJob, object: cronJob })],
    },
    spec,
  } as Draft<Job>;
}

/** The name is derived from the time: however often creation is retried, there is one job per time. */
function nameAt(cronJob: Pick<CronJob, 'metadata'>, dueMs: number): string {
  return `${cronJob.metadata.name}-${Math.floor(dueMs / 60_000)}`;
}

export function finishedAs(job: Job): 'Complete' | 'Failed' | undefined {
  const isTrue = (type: string) => findCondition(job.status?.conditions, type)?.status === 'True';
  if (isTrue('Complete')) return 'Complete';
  return isTrue('Failed') ? 'Failed' : undefined;
}

function byStart(a: Job, b: Job): number {
  const [left, right] = [a.status?.startTime ?? '', b.status?.startTime ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}

/** The time for which the job was created, if the schedule could have created it. */
function startedFor(cronJob: CronJob, { metadata }: Job): string | undefined {
  const time = metadata.annotations?.[scheduledAnnotation];
  if (!time || metadata.name !== nameAt(cronJob, Date.parse(time))) return undefined;
  return formatTime(Date.parse(time));
}

export function referenceTo({ metadata }: Job): core.ObjectReference {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion };
}

/** The latest of times in the same format; undefined when there is none. */
function latest(times: readonly (string | undefined)[]): string | undefined {
  return times
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
}
