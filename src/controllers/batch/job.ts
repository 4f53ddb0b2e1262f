/** Jobs: a given number of pods that run to completion; each outcome is counted exactly once. */
import { jobNameLabel } from '../../api/batch/job.ts';
import { controllerOf, keyOf } from '../../api/meta.ts';
import { Job, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type * as batch from '../../api/types/batch-v1.gen.ts';
import {
  type AnyController,
  defineController,
  quietMsFor,
  type ReconcileOutcome,
  watch,
} from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { isInVain } from '../../client/controller/owner-check.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { claim } from '../adoption.ts';
import { allAtOnce, type BatchOutcome, slowStart } from '../batches.ts';
import { PodControl } from '../pods/pod-control.ts';
import type { JobBackoff } from './job/job-backoff.ts';
import { failuresOfIndex } from './job/job-index-progress.ts';
import { parseIndexes } from './job/job-indexes.ts';
import {
  completionModeOf,
  creationReasonOf,
  followJobMetrics,
  type JobAction,
  jobMetricsOf,
} from './job/job-metrics.ts';
import { afterSteps, isFinished, type JobPlan, planJob, type Verdict } from './job/job-plan.ts';
import {
  isOwnedBy,
  isTracked,
  keptByAnother,
  mayBeLeftBehind,
  newJobPod,
  trackingFinalizer,
} from './job/job-pod.ts';
import { countedStatus, outcomesOf, recordingStatus, suspensionEvent } from './job/job-status.ts';

/** What this process remembers of the failures of unfinished jobs, by key. */
type Memory = Map<string, { uid: string; backoff: JobBackoff }>;

export function jobController(): AnyController {
  const memory: Memory = new Map();
  return defineController({
    name: 'job',
    component: 'job-controller',
    reconciles: Job,
    owns: [Pod],
    selectorOf: (job: Job) => job.spec?.selector,
    watches: [
      // Pods that their job left behind still carry the finalizer.
      watch(Pod, (pod) => {
        const job = pod.metadata.labels?.[jobNameLabel];
        return job && isTracked(pod) && !controllerOf(pod) ? [`${pod.metadata.namespace}/${job}`] : [];
      }),
    ],
    metrics: followJobMetrics,
    // Upstream's: a job that fails to sync waits for a second first.
    backoff: { firstMs: 1_000, maxMs: 60_000 },
    async reconcile(key, cluster, signal) {
      const job = cluster.get(Job, key);
      const failure = await releaseOrphans(cluster, key, job, signal);
      const isOurs = job?.spec && !keptByAnother(job) && !isFinished(job);
      if (!isOurs) memory.delete(key);
      const outcome = isOurs
        ? await new JobReconcile(cluster, job, memory, signal).measuredSync()
        : undefined;
      if (failure !== undefined) throw failure;
      return outcome;
    },
  });
}

/**
 * Releases pods whose job is gone or no longer owns them. Returns the first failure, which does not keep the job from
 * its reconcile.
 */
async function releaseOrphans(
  cluster: ReconcileCluster,
  key: string,
  job: Job | undefined,
  signal: AbortSignal,
): Promise<unknown> {
  const [namespace = '', name = ''] = key.split('/');
  const pods = job ? cluster.orphansIn(Pod, namespace) : cluster.informer(Pod).inNamespace(namespace);
  const left = [...pods].filter((pod) => mayBeLeftBehind(pod, name, job));
  if (left.length === 0) return undefined;
  const fresh =
    job ?? (await cluster.client.get(Job, { namespace, name }, signal).catch(undefinedIfNotFound));
  let failure: unknown;
  for (const pod of left) {
    if (isOwnedBy(pod, fresh)) continue;
    await dropFinalizer(cluster, pod, signal).catch((error: unknown) => {
      failure ??= error;
    });
  }
  return failure;
}

async function dropFinalizer(cluster: ReconcileCluster, pod: Pod, signal: AbortSignal): Promise<void> {
  const { uid } = pod.metadata;
  const patch = { metadata: { uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
  await cluster.patch(Pod, pod, patch, { type: 'strategic', signal }).catch(undefinedIfNotFound);
}

/** How many pods were created and removed, and why not more. */
interface PodsActedOn {
  created: number;
  removed: number;
  failure: unknown;
}

/** One reconcile of one Job. */
class JobReconcile {
  readonly #cluster: ReconcileCluster;
  readonly #signal: AbortSignal;
  readonly #now: string;
  readonly #before: batch.JobStatus;
  readonly #memory: Memory;
  #job: Job;
  #action: JobAction = 'reconciling';

  constructor(cluster: ReconcileCluster, job: Job, memory: Memory, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#job = job;
    this.#memory = memory;
    this.#before = job.status ?? {};
    this.#signal = signal;
    this.#now = formatTime(cluster.clock.now());
  }

  async measuredSync(): Promise<ReconcileOutcome> {
    const { clock, metrics } = this.#cluster;
    const { syncs, syncDuration } = jobMetricsOf(metrics);
    const startMs = clock.monotonic();
    let result = 'error';
    try {
      const outcome = await this.#sync();
      result = 'success';
      return outcome;
    } finally {
      const labels = { completion_mode: completionModeOf(this.#job), result, action: this.#action };
      syncs.add(1, labels);
      syncDuration.observe((clock.monotonic() - startMs) / 1000, labels);
    }
  }

  async #sync(): Promise<ReconcileOutcome> {
    const job = this.#job;
    const cluster = this.#cluster;
    const owner = { type: Job, object: job };
    const matches = compileLabelSelector(job.spec!.selector);
    const pods = await claim(Pod, (pod) => matches(pod.metadata.labels), {
      cluster,
      owner,
      signal: this.#signal,
    });
    const remembered = this.#memory.get(keyOf(job));
    const isSameJob = remembered?.uid === job.metadata.uid;
    const plan = planJob(job, pods, cluster.clock.now(), isSameJob ? remembered.backoff : undefined);
    const { failure, ...acted } = await this.#managePods(plan, pods);
    await this.#count(afterSteps(plan, acted), pods);
    if (failure !== undefined && !isInVain(failure)) throw failure;
    return { requeueAfterMs: plan.waitMs, quietMs: quietMsFor(pods.length) };
  }

  async #managePods(plan: JobPlan, pods: readonly Pod[]): Promise<PodsActedOn> {
    const job = this.#job;
    const control = new PodControl(this.#cluster, { type: Job, object: job }, this.#signal);
    const removed = await allAtOnce(plan.remove, async (pod) => {
      // Pods of a job that ends count as failed; surplus pods lose their finalizer first, and do not.
      if (!plan.verdict && isTracked(pod)) await dropFinalizer(this.#cluster, pod, this.#signal);
      await control.delete(pod);
    });
    const created = await slowStart(plan.create, (index) =>
      control.create(newJobPod(job, index, failuresOfIndex(job, pods, index))),
    );
    this.#noteCreated(plan, created);
    this.#action =
      plan.remove.length > 0 ? 'pods_deleted' : plan.create.length > 0 ? 'pods_created' : 'tracking';
    return {
      created: created.succeeded,
      removed: removed.succeeded,
      failure: removed.failure ?? created.failure,
    };
  }

  #noteCreated(plan: JobPlan, { succeeded, failure }: BatchOutcome): void {
    const { podsCreated } = jobMetricsOf(this.#cluster.metrics);
    const reason = creationReasonOf(this.#job, plan);
    if (succeeded > 0) podsCreated.add(succeeded, { reason, status: 'succeeded' });
    if (failure !== undefined) podsCreated.add(1, { reason, status: 'failed' });
  }

  /**
   * First the outcomes are recorded as uncounted, then the pods' finalizers are removed, then the outcomes are counted.
   */
  async #count(plan: JobPlan, pods: readonly Pod[]): Promise<void> {
    const recorded = outcomesOf(this.#job, plan);
    const recording = recordingStatus(this.#job, plan, this.#now);
    if (recording) await this.#write(recording);
    this.#memory.set(keyOf(this.#job), { uid: this.#job.metadata.uid, backoff: plan.backoff });

    const released = new Set<string>();
    const { failure } = await allAtOnce(plan.release, async (pod) => {
      await dropFinalizer(this.#cluster, pod, this.#signal);
      released.add(pod.metadata.uid);
    });
    const subject = { job: this.#job, recorded, now: this.#now };
    const { status, end } = countedStatus(subject, plan, pods, released);
    await this.#write(status);
    this.#noteFinished(plan);
    if (end) this.#reportEnd(end);
    if (failure !== undefined) throw failure;
  }

  /** Called once the status that counts them is written. */
  #noteFinished(plan: JobPlan): void {
    const before = this.#before;
    const { podsFinished, indexesFinished, failuresHandled } = jobMetricsOf(this.#cluster.metrics);
    const { spec, status } = this.#job;
    const completion_mode = completionModeOf(this.#job);
    const finished = (result: 'succeeded' | 'failed') => (status?.[result] ?? 0) - (before[result] ?? 0);
    for (const result of ['succeeded', 'failed'] as const)
      if (finished(result) > 0) podsFinished.add(finished(result), { completion_mode, result });
    for (const action of plan.failureActions) failuresHandled.add(1, { action });
    if (!plan.completedIndexes) return;
    const backoffLimit = spec?.backoffLimitPerIndex === undefined ? 'global' : 'perIndex';
    const failed =
      (plan.failedIndexes?.size ?? 0) - parseIndexes(before.failedIndexes, spec?.completions).size;
    if (finished('succeeded') > 0)
      indexesFinished.add(finished('succeeded'), { status: 'succeeded', backoffLimit });
    if (plan.failedIndexes && failed > 0) indexesFinished.add(failed, { status: 'failed', backoffLimit });
  }

  #reportEnd({ outcome, reason, message }: Verdict): void {
    const result = outcome === 'success' ? 'succeeded' : 'failed';
    const labels = { completion_mode: completionModeOf(this.#job), result, reason };
    jobMetricsOf(this.#cluster.metrics).finished.add(1, labels);
    const { completions } = this.#job.spec!;
    if (
      outcome === 'success' &&
      completions !== undefined &&
      (this.#job.status?.succeeded ?? 0) > completions
    )
      this.#event(
        'Warning',
        'TooManySucceededPods',
        'Too many succeeded pods running after completion count reached',
      );
    if (outcome === 'success') this.#event('Normal', 'Completed', 'Job completed');
    else this.#event('Warning', reason, message);
  }

  async #write(status: batch.JobStatus): Promise<void> {
    const event = suspensionEvent(this.#job.status, status);
    this.#job = await this.#cluster.updateStatus(Job, this.#job, status, this.#signal);
    if (event) this.#event('Normal', event.reason, event.message);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.event(targetOf(Job, this.#job), type, reason, message);
  }
}
