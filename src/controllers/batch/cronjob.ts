/** CronJobs: create Jobs on schedule. */
import { CronError } from '../../api/batch/cron-schedule.ts';
import { controllerOf, type Draft, keyOf } from '../../api/meta.ts';
import { CronJob, Job } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { isAlreadyExists, undefinedIfNotFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { controllerReference } from '../adoption.ts';
import { findCondition } from '../conditions.ts';
import { isInVain } from '../pod-control.ts';
import { type CronSchedule, formatInZone, parseCronSchedule } from './cron-schedule.ts';

const creationSkewOf = metricsPerRegistry((registry) => {
  const name = 'cronjob_controller_job_creation_skew_duration_seconds';
  const help =
    'Time between when a cronjob is scheduled to be run, and when the corresponding job is created';
  return registry.histogram(name, help, exponentialBuckets(1, 2, 10)).bind({});
});
const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** A schedule with this many missed times is wrong, or a clock is: reported, then ignored. */
const missedMax = 100;
/** Timers fire a little late, so that the time has certainly passed. */
const slackMs = 100;

export const cronJobController = defineController({
  name: 'cronjob',
  component: 'cronjob-controller',
  reconciles: CronJob,
  owns: [Job],
  metrics: creationSkewOf,
  async reconcile(key, cluster, signal) {
    const cronJob = cluster.get(CronJob, key);
    if (!cronJob?.spec) return;
    return await new CronReconcile(cluster, cronJob, signal).sync();
  },
});

function finishedAs(job: Job): 'Complete' | 'Failed' | undefined {
  const isTrue = (type: string) => findCondition(job.status?.conditions, type)?.status === 'True';
  if (isTrue('Complete')) return 'Complete';
  return isTrue('Failed') ? 'Failed' : undefined;
}

/** Times that are due: the newest, and how many there were since the last one that was acted on. */
export function dueTimes(
  cronJob: CronJob,
  schedule: CronSchedule,
  nowMs: number,
): { newestMs: number | undefined; missed: 'none' | 'few' | 'many' } {
  const { startingDeadlineSeconds } = cronJob.spec!;
  let fromMs = Date.parse(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp);
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

function byStart(a: Job, b: Job): number {
  const [left, right] = [a.status?.startTime ?? '', b.status?.startTime ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}

/** One reconcile of one CronJob. */
class CronReconcile {
  readonly #cluster: ReconcileCluster;
  readonly #signal: AbortSignal;
  #cronJob: CronJob;

  constructor(cluster: ReconcileCluster, cronJob: CronJob, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#cronJob = cronJob;
    this.#signal = signal;
  }

  async sync(): Promise<{ requeueAfterMs?: number } | undefined> {
    const jobs = this.#cluster.ownedBy(Job, this.#cronJob);
    await this.#cleanUp(jobs);
    await this.#followJobs(jobs);
    if (this.#cronJob.metadata.deletionTimestamp || this.#cronJob.spec!.suspend) return undefined;
    const schedule = this.#parse();
    if (!schedule) return undefined;
    const nowMs = this.#cluster.clock.now();
    const nextMs = schedule.next(nowMs);
    if (nextMs === undefined) {
      const never = 'time difference between two schedules is less than 1 second';
      const text = `invalid schedule: ${this.#cronJob.spec!.schedule} : ${never}`;
      this.#event('Warning', 'InvalidSchedule', text);
      return undefined;
    }
    const { newestMs, missed } = dueTimes(this.#cronJob, schedule, nowMs);
    if (missed === 'many')
      this.#event(
        'Warning',
        'TooManyMissedTimes',
        'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
      );
    if (newestMs !== undefined) await this.#startAt(newestMs, nowMs, jobs);
    return { requeueAfterMs: nextMs - nowMs + slackMs };
  }

  #parse(): CronSchedule | undefined {
    const { schedule, timeZone } = this.#cronJob.spec!;
    if (schedule.includes('TZ'))
      this.#event(
        'Warning',
        'UnsupportedSchedule',
        `CRON_TZ or TZ used in schedule "${schedule}" is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details`,
      );
    try {
      return parseCronSchedule(schedule, timeZone);
    } catch (error) {
      if (!(error instanceof CronError)) throw error;
      if (error.message.startsWith('unknown time zone'))
        this.#event('Warning', 'UnknownTimeZone', `invalid timeZone: "${timeZone}": ${error.message}`);
      else
        this.#event(
          'Warning',
          'UnparseableSchedule',
          `unparseable schedule: "${schedule}" : ${error.message}`,
        );
      return undefined;
    }
  }

  /** Brings the list of active jobs up to date with the existing jobs. */
  async #followJobs(jobs: readonly Job[]): Promise<void> {
    const { status } = this.#cronJob;
    const listed = new Set(status?.active?.map(({ uid }) => uid));
    const unlisted = jobs.filter((job) => !finishedAs(job) && !listed.has(job.metadata.uid));
    const forgotten = unlisted.filter((job) => startedFor(this.#cronJob, job) !== undefined);
    for (const { metadata } of unlisted.filter((job) => !forgotten.includes(job))) {
      const message = `Saw a job that the controller did not create or forgot: ${metadata.name}`;
      this.#event('Warning', 'UnexpectedJob', message);
    }
    // Created just before a crash, and not recorded yet: they count, or the next job would run beside them.
    const recalled = forgotten.filter((job) => !job.metadata.deletionTimestamp).map(referenceTo);
    const lastScheduleTime = latest([
      status?.lastScheduleTime,
      ...forgotten.map((job) => startedFor(this.#cronJob, job)),
    ]);
    const succeeded = jobs.filter((job) => finishedAs(job) === 'Complete');
    const lastSuccessfulTime = latest([
      status?.lastSuccessfulTime,
      ...succeeded.map((job) => job.status?.completionTime),
    ]);
    await this.#updateStatus({
      ...status,
      active: [...(await this.#stillActive(jobs)), ...recalled],
      ...(lastSuccessfulTime && { lastSuccessfulTime }),
      ...(lastScheduleTime && { lastScheduleTime }),
    });
  }

  async #stillActive(jobs: readonly Job[]): Promise<core.ObjectReference[]> {
    const known = new Map(jobs.map((job) => [job.metadata.uid, job]));
    const active: core.ObjectReference[] = [];
    for (const reference of this.#cronJob.status?.active ?? []) {
      const job = known.get(reference.uid ?? '') ?? (await this.#lookUp(reference));
      const outcome = job && finishedAs(job);
      if (!job) this.#event('Normal', 'MissingJob', `Active job went missing: ${reference.name}`);
      else if (!outcome) active.push(reference);
      else {
        const message = `Saw completed job: ${job.metadata.name}, status: ${outcome}`;
        this.#event('Normal', 'SawCompletedJob', message);
      }
    }
    return active;
  }

  /** The job, which the cache may not show yet. */
  async #lookUp({ name = '', namespace, uid }: core.ObjectReference): Promise<Job | undefined> {
    const job = await this.#cluster.client
      .get(Job, { name, namespace }, this.#signal)
      .catch(undefinedIfNotFound);
    return job?.metadata.uid === uid ? job : undefined;
  }

  async #startAt(dueMs: number, nowMs: number, jobs: readonly Job[]): Promise<void> {
    const { startingDeadlineSeconds, concurrencyPolicy } = this.#cronJob.spec!;
    const dueText = formatTime(dueMs);
    if (startingDeadlineSeconds !== undefined && dueMs + startingDeadlineSeconds * 1000 < nowMs) {
      this.#event('Warning', 'MissSchedule', `Missed scheduled time to start a job: ${rfc1123(dueMs)}`);
      return;
    }
    if (this.#cronJob.status?.lastScheduleTime === dueText) return;
    const active = this.#cronJob.status?.active ?? [];
    if (concurrencyPolicy === 'Forbid' && active.length > 0) {
      const why = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      this.#event('Normal', 'JobAlreadyActive', why);
      return;
    }
    if (concurrencyPolicy === 'Replace') await this.#removeActive(jobs);
    const job = await this.#create(dueMs);
    if (!job) return;
    const others = (this.#cronJob.status?.active ?? []).filter((one) => one.uid !== job.metadata.uid);
    const list = finishedAs(job) ? others : [...others, referenceTo(job)];
    await this.#updateStatus({ ...this.#cronJob.status, active: list, lastScheduleTime: dueText });
  }

  async #removeActive(jobs: readonly Job[]): Promise<void> {
    for (const reference of this.#cronJob.status?.active ?? []) {
      const job = jobs.find((one) => one.metadata.uid === reference.uid) ?? (await this.#lookUp(reference));
      if (job) await this.#deleteJob(job);
    }
    await this.#updateStatus({ ...this.#cronJob.status, active: [] });
  }

  async #deleteJob(job: Job): Promise<void> {
    try {
      await this.#cluster.delete(Job, job, this.#signal, { propagationPolicy: 'Background' });
      this.#event('Normal', 'SuccessfulDelete', `Deleted job ${job.metadata.name}`);
    } catch (error) {
      this.#event('Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
      throw error;
    }
  }

  async #create(dueMs: number): Promise<Job | undefined> {
    const cronJob = this.#cronJob;
    const { metadata, spec } = cronJob.spec!.jobTemplate;
    const { namespace } = cronJob.metadata;
    const name = nameAt(cronJob, dueMs);
    const draft = {
      metadata: {
        name,
        namespace,
        ...(metadata?.labels && { labels: { ...metadata.labels } }),
        annotations: {
          ...metadata?.annotations,
          [scheduledAnnotation]: formatInZone(dueMs, cronJob.spec!.timeZone),
        },
        ownerReferences: [controllerReference({ type: CronJob, object: cronJob })],
      },
      spec,
    } as Draft<Job>;
    try {
      const job = await this.#cluster.create(Job, draft, this.#signal);
      const lateMs = Date.parse(job.metadata.creationTimestamp) - dueMs;
      creationSkewOf(this.#cluster.metrics).observe(lateMs / 1000);
      this.#event('Normal', 'SuccessfulCreate', `Created job ${name}`);
      return job;
    } catch (error) {
      if (this.#signal.aborted || isInVain(error)) return undefined;
      if (isAlreadyExists(error)) {
        const present = await this.#cluster.client.get(Job, { name, namespace }, this.#signal);
        if (controllerOf(present)?.uid === cronJob.metadata.uid) return present;
      }
      this.#event('Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Finished jobs beyond the history limits go, oldest first. */
  async #cleanUp(jobs: readonly Job[]): Promise<void> {
    const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = this.#cronJob.spec!;
    const limits = { Complete: successfulJobsHistoryLimit, Failed: failedJobsHistoryLimit };
    for (const [outcome, limit] of Object.entries(limits)) {
      const finished = jobs
        .filter((job) => finishedAs(job) === outcome && !job.metadata.deletionTimestamp)
        .sort(byStart);
      for (const job of finished.slice(0, Math.max(0, finished.length - limit))) await this.#deleteJob(job);
    }
  }

  async #updateStatus(status: NonNullable<CronJob['status']>): Promise<void> {
    this.#cronJob = await this.#cluster.updateStatus(CronJob, this.#cronJob, status, this.#signal);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.event(targetOf(CronJob, this.#cronJob), type, reason, message);
  }
}

/** The name is derived from the time: however often creation is retried, there is one job per time. */
function nameAt(cronJob: CronJob, dueMs: number): string {
  return `${cronJob.metadata.name}-${Math.floor(dueMs / 60_000)}`;
}

/** The time for which the job was created, if the schedule could have created it. */
function startedFor(cronJob: CronJob, { metadata }: Job): string | undefined {
  const time = metadata.annotations?.[scheduledAnnotation];
  if (!time || metadata.name !== nameAt(cronJob, Date.parse(time))) return undefined;
  return formatTime(Date.parse(time));
}

/** The latest of times in the same format; undefined when there is none. */
function latest(times: readonly (string | undefined)[]): string | undefined {
  return times
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
}

function referenceTo({ metadata }: Job): core.ObjectReference {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion };
}

/** `Mon, 02 Jan 2006 15:04:05 +0000`. */
function rfc1123(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', '+0000');
}
