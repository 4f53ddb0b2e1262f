/** CronJobs: create Jobs on schedule. */
import { CronError } from '../../api/batch/cron-schedule.ts';
import { controllerOf } from '../../api/meta.ts';
import { CronJob, Job } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { isAlreadyExists, undefinedIfNotFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { isInVain } from '../../client/controller/owner-check.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { type CronSchedule, parseCronSchedule } from './cronjob/cron-schedule.ts';
import {
  dueTimes,
  finishedAs,
  jobAt,
  planFollow,
  planStart,
  referenceTo,
  startOf,
  surplusJobs,
} from './cronjob/cronjob-plan.ts';

const creationSkewOf = metricsPerRegistry((registry) => {
  const name = 'cronjob_controller_job_creation_skew_duration_seconds';
  const help =
    'Time between when a cronjob is scheduled to be run, and when the corresponding job is created';
  return registry.histogram(name, help, exponentialBuckets(1, 2, 10)).bind({});
});
/** Timers fire a little late, so that the time has certainly passed. */
const slackMs = 100;

export function cronJobController(clock: Pick<Clock, 'now'>): AnyController {
  /** By uid, when the schedule was last seen to change. */
  const changed = new Map<string, number>();
  return defineController({
    name: 'cronjob',
    component: 'cronjob-controller',
    reconciles: CronJob,
    owns: [Job],
    watches: [
      watch(CronJob, (cronJob, old) => {
        const { uid } = cronJob.metadata;
        if (old === cronJob) changed.delete(uid);
        else if (old && !haveSameSchedule(cronJob, old)) changed.set(uid, clock.now());
        return [];
      }),
    ],
    metrics: creationSkewOf,
    async reconcile(key, cluster, signal) {
      const cronJob = cluster.get(CronJob, key);
      if (!cronJob?.spec) return;
      const changedMs = changed.get(cronJob.metadata.uid);
      return await new CronReconcile(cluster, { cronJob, changedMs }, signal).sync();
    },
  });
}

function haveSameSchedule(a: CronJob, b: CronJob): boolean {
  return a.spec?.schedule === b.spec?.schedule && a.spec?.timeZone === b.spec?.timeZone;
}

/** One reconcile of one CronJob. */
class CronReconcile {
  readonly #cluster: ReconcileCluster;
  readonly #signal: AbortSignal;
  readonly #changedMs: number | undefined;
  #cronJob: CronJob;

  /** `changedMs`: when the schedule was changed, as far as this controller has seen it. */
  constructor(
    cluster: ReconcileCluster,
    { cronJob, changedMs }: { cronJob: CronJob; changedMs: number | undefined },
    signal: AbortSignal,
  ) {
    this.#cluster = cluster;
    this.#cronJob = cronJob;
    this.#changedMs = changedMs;
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
    const nextMs = schedule.upcoming(startOf(this.#cronJob), nowMs);
    if (nextMs === undefined) {
      const never = 'time difference between two schedules is less than 1 second';
      const text = `invalid schedule: ${this.#cronJob.spec!.schedule} : ${never}`;
      this.#event('Warning', 'InvalidSchedule', text);
      return undefined;
    }
    const outcome = { requeueAfterMs: nextMs - nowMs + slackMs };
    const { newestMs, missed } = dueTimes(this.#cronJob, schedule, nowMs);
    // What a changed schedule would have called for before was not missed.
    if (newestMs === undefined || newestMs < (this.#changedMs ?? newestMs)) return outcome;
    if (missed === 'many')
      this.#event(
        'Warning',
        'TooManyMissedTimes',
        'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
      );
    await this.#startAt(newestMs, nowMs, jobs);
    return outcome;
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
    const { unexpected, recalled, lastScheduleTime, lastSuccessfulTime } = planFollow(this.#cronJob, jobs);
    for (const { metadata } of unexpected) {
      const message = `Saw a job that the controller did not create or forgot: ${metadata.name}`;
      this.#event('Warning', 'UnexpectedJob', message);
    }
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
    const step = planStart(this.#cronJob, dueMs, nowMs);
    if (step === 'too late')
      this.#event('Warning', 'MissSchedule', `Missed scheduled time to start a job: ${rfc1123(dueMs)}`);
    if (step === 'still running') {
      const why = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      this.#event('Normal', 'JobAlreadyActive', why);
    }
    if (step !== 'start' && step !== 'replace') return;
    if (step === 'replace') await this.#removeActive(jobs);
    const job = await this.#create(dueMs);
    if (!job) return;
    const others = (this.#cronJob.status?.active ?? []).filter((one) => one.uid !== job.metadata.uid);
    const list = finishedAs(job) ? others : [...others, referenceTo(job)];
    await this.#updateStatus({ ...this.#cronJob.status, active: list, lastScheduleTime: formatTime(dueMs) });
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
    const draft = jobAt(cronJob, dueMs);
    const { name = '', namespace } = draft.metadata;
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
        // What others have made under this name stands for the job, as if they had recorded it too.
        return controllerOf(present)?.uid === cronJob.metadata.uid ? present : undefined;
      }
      this.#event('Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Finished jobs beyond the history limits go, oldest first. */
  async #cleanUp(jobs: readonly Job[]): Promise<void> {
    for (const job of surplusJobs(this.#cronJob, jobs)) await this.#deleteJob(job);
  }

  async #updateStatus(status: NonNullable<CronJob['status']>): Promise<void> {
    this.#cronJob = await this.#cluster.updateStatus(CronJob, this.#cronJob, status, this.#signal);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.event(targetOf(CronJob, this.#cronJob), type, reason, message);
  }
}

/** `Mon, 02 Jan 2006 15:04:05 +0000`. */
function rfc1123(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', '+0000');
}
