/** What a Job does next, and what its status says. Decides; never acts. */

import { findCondition } from '../../../api/conditions.ts';
import type { Job, Pod } from '../../../api/resources.gen.ts';
import { leastOf } from '../../../base/least-of.ts';
import { byRestarts, byStage, createdMs, readySinceMs } from '../../pods/pod-order.ts';
import { isPodReady } from '../../pods/pod-state.ts';
import { backoffLeftMs, type JobBackoff, nextBackoff, recalledBackoff } from './job-backoff.ts';
import { backoffOfIndex, type IndexProgress, indexProgress, isStillNeeded } from './job-index-progress.ts';
import { countsAsFailed, indexOf, isIndexed, isTracked, replacesOnlyFailed } from './job-pod.ts';
import { type FailureAction, matchSuccessPolicy } from './job-policy.ts';
import { isIgnored, type SeenPods, seePods } from './job-seen-pods.ts';

/** How a job ends: failure or success, first as an intent, then as a fact once its pods have ended. */
export interface Verdict {
  outcome: 'failure' | 'success';
  reason: string;
  message: string;
}

export interface JobPlan extends PodSteps, Outcomes {
  readonly verdict: Verdict | undefined;
  readonly completedIndexes: ReadonlySet<number> | undefined;
  readonly failedIndexes: ReadonlySet<number> | undefined;
  /** Counts of the existing pods, before any is created or deleted; see {@link afterSteps}. */
  readonly active: number;
  readonly ready: number;
  readonly terminating: number;
  readonly succeeded: number;
  readonly failed: number;
  /** To be remembered once the outcomes are recorded. */
  readonly backoff: JobBackoff;
}

export interface PodSteps {
  /** Indexes to create pods for, or undefined once per pod of a job without indexes. */
  readonly create: readonly (number | undefined)[];
  readonly remove: readonly Pod[];
  /** The earliest time at which the plan changes through time alone. */
  readonly waitMs: number | undefined;
}

export interface Outcomes {
  /** Pods to count as succeeded and failed, by uid; recorded before their finalizers are removed. */
  readonly newlySucceeded: readonly string[];
  readonly newlyFailed: readonly string[];
  /** Pods that need no finalizer any longer: their outcome is (then) counted, or irrelevant. */
  readonly release: readonly Pod[];
  /** What the failure policy decided about the pods that are counted or ignored now. */
  readonly failureActions: readonly FailureAction[];
}

/** The most pods that are created or removed at a time. */
const podsAtOnceMax = 500;
/** The most uncounted pods in a status. */
const uncountedMax = 500;

export function isFinished(job: Job): boolean {
  const isTrue = (type: string) => findCondition(job.status?.conditions, type)?.status === 'True';
  return isTrue('Complete') || isTrue('Failed');
}

function isSuspended(job: Job): boolean {
  return job.spec?.suspend === true;
}

/** How far the job has come with these pods. */
interface Progress {
  succeeded: number;
  failed: number;
  /** Undefined for a job without indexes. */
  indexes: IndexProgress | undefined;
  backoff: JobBackoff;
}

/** `remembered`: the `backoff` of the job's last plan that was recorded, if this process has made one. */
export function planJob(
  job: Job,
  pods: readonly Pod[],
  nowMs: number,
  remembered = recalledBackoff(pods),
): JobPlan {
  const seen = seePods(job, pods, nowMs);
  const progress = progressOf(seen, remembered);
  const { active } = seen;
  const { succeeded, failed, indexes, backoff } = progress;
  const end = decide(seen, progress);
  const steps = end ? { ...noSteps, remove: active } : planPods(seen, progress);
  const verdict = end ?? completion(seen, progress, steps);
  return {
    ...steps,
    ...planOutcomes(seen, indexes, verdict),
    waitMs: end ? undefined : leastOf(deadlineLeftMs(seen), steps.waitMs),
    verdict,
    completedIndexes: indexes?.completed,
    failedIndexes: indexes?.failed,
    active: active.length,
    ready: active.filter(isPodReady).length,
    terminating: seen.terminating,
    succeeded,
    failed,
    backoff,
  };
}

/** The plan once so many of its pods were created and removed: its status is to count them so. */
export function afterSteps(
  plan: JobPlan,
  { created, removed }: { created: number; removed: number },
): JobPlan {
  return {
    ...plan,
    active: plan.active - removed + created,
    ready: Math.max(0, plan.ready - removed),
    terminating: plan.terminating + removed,
  };
}

function progressOf(seen: SeenPods, remembered: JobBackoff): Progress {
  const { job, pods, uncounted } = seen;
  const isNew = (pod: Pod) =>
    isTracked(pod) && !uncounted.succeeded.has(pod.metadata.uid) && !uncounted.failed.has(pod.metadata.uid);
  const successes = pods.filter((pod) => isNew(pod) && pod.status?.phase === 'Succeeded');
  const failures = pods.filter((pod) => isNew(pod) && countsAsFailed(job, pod));
  const newlyFailed = failures.filter((pod) => !isIgnored(seen, pod)).length;
  const indexes = isIndexed(job) ? indexProgress(seen) : undefined;
  return {
    succeeded: indexes
      ? indexes.completed.size
      : (job.status?.succeeded ?? 0) + uncounted.succeeded.size + successes.length,
    failed: (job.status?.failed ?? 0) + uncounted.failed.size + newlyFailed,
    indexes,
    backoff: nextBackoff(remembered, successes, failures),
  };
}

/** How the job ends by a policy or a limit, whatever is left to do. */
function decide(seen: SeenPods, { failed, indexes }: Progress): Verdict | undefined {
  const { job, active, matches } = seen;
  const spec = job.spec!;
  const conditions = job.status?.conditions;
  const intended = findCondition(conditions, 'FailureTarget');
  if (intended?.status === 'True') return failure(intended.reason ?? '', intended.message ?? '');
  const met = findCondition(conditions, 'SuccessCriteriaMet');
  if (met?.status === 'True')
    return { outcome: 'success', reason: met.reason ?? '', message: met.message ?? '' };
  const fatal = [...matches.values()].find((match) => match?.action === 'FailJob');
  if (fatal) return failure('PodFailurePolicy', fatal.message ?? '');
  // A per-index limit replaces the job's own, unless that is set too.
  const backoffLimit = spec.backoffLimit ?? (spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1);
  if (failed > backoffLimit || restartsExceed(job, active, backoffLimit))
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  const leftMs = deadlineLeftMs(seen);
  if (leftMs !== undefined && leftMs <= 0)
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
  if (indexes?.failed && spec.maxFailedIndexes !== undefined && indexes.failed.size > spec.maxFailedIndexes)
    return failure(
      'MaxFailedIndexesExceeded',
      'Job has exceeded the specified maximal number of failed indexes',
    );
  if (indexes?.failed?.size && indexes.failed.size + indexes.completed.size >= (spec.completions ?? 0))
    return failure('FailedIndexes', 'Job has failed indexes');
  const rule = indexes && matchSuccessPolicy(job, indexes.completed);
  return rule ? { outcome: 'success', reason: 'SuccessPolicy', message: rule } : undefined;
}

function failure(reason: string, message: string): Verdict {
  return { outcome: 'failure', reason, message };
}

/** Undefined for a job without a deadline, and while it is suspended. */
function deadlineLeftMs({ job, nowMs }: SeenPods): number | undefined {
  const { activeDeadlineSeconds } = job.spec!;
  if (activeDeadlineSeconds === undefined || isSuspended(job)) return undefined;
  // A job without a start starts now.
  const startMs = job.status?.startTime ? Date.parse(job.status.startTime) : nowMs;
  return startMs + activeDeadlineSeconds * 1000 - nowMs;
}

/** When containers restart within the pod, the limit counts those restarts. */
function restartsExceed(job: Job, active: readonly Pod[], limit: number): boolean {
  if (job.spec!.template.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of active)
    for (const { restartCount } of [
      ...(status?.containerStatuses ?? []),
      ...(status?.initContainerStatuses ?? []),
    ])
      restarts += restartCount;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

const noSteps: PodSteps = { create: [], remove: [], waitMs: undefined };

function planPods(seen: SeenPods, progress: Progress): PodSteps {
  const { job, active, terminating } = seen;
  if (job.metadata.deletionTimestamp) return noSteps;
  if (isSuspended(job)) return { ...noSteps, remove: active.slice(0, podsAtOnceMax) };
  const wanted = wantedPods(seen, progress);
  const surplus = podsToRemove(job, active, progress.indexes, Math.max(0, active.length - wanted));
  if (surplus.length > 0) return { ...noSteps, remove: surplus.slice(0, podsAtOnceMax) };
  const awaited = replacesOnlyFailed(job) ? terminating : 0;
  const missing = Math.min(podsAtOnceMax, wanted - active.length - awaited);
  return missing > 0 ? planNewPods(seen, progress, missing) : noSteps;
}

/** How many pods are to be active now. */
function wantedPods({ job, active }: SeenPods, { succeeded, indexes }: Progress): number {
  const { completions, parallelism = 1 } = job.spec!;
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism;
  const left = completions - succeeded - (indexes?.failed?.size ?? 0);
  return Math.min(Math.max(0, left), parallelism);
}

/** After a failure all new pods wait, or with a limit for each index that index's. */
function planNewPods(seen: SeenPods, { indexes, backoff }: Progress, missing: number): PodSteps {
  const { job, nowMs } = seen;
  if (indexes && job.spec!.backoffLimitPerIndex !== undefined) return planIndexedPods(seen, indexes, missing);
  const waitMs = backoffLeftMs(backoff, nowMs);
  if (waitMs > 0) return { ...noSteps, waitMs };
  if (indexes) return planIndexedPods(seen, indexes, missing);
  return { ...noSteps, create: Array.from({ length: missing }, () => undefined) };
}

function planIndexedPods({ job, nowMs }: SeenPods, indexes: IndexProgress, missing: number): PodSteps {
  const { completions = 0, backoffLimitPerIndex } = job.spec!;
  const create: number[] = [];
  let waitMs: number | undefined;
  for (let index = 0; index < completions && create.length < missing; index++) {
    if (indexes.completed.has(index) || indexes.failed?.has(index) || indexes.occupied.has(index)) continue;
    const last = backoffLimitPerIndex === undefined ? undefined : indexes.lastFailed.get(index);
    const leftMs = last ? backoffLeftMs(backoffOfIndex(last), nowMs) : 0;
    if (leftMs > 0) waitMs = leastOf(waitMs, leftMs);
    else create.push(index);
  }
  return { create, remove: [], waitMs };
}

/** Of two surplus pods, the one that has come less far and is younger goes first. */
function byProgress(a: Pod, b: Pod): number {
  return (
    byStage(a, b) ||
    (isPodReady(a) ? readySinceMs(b) - readySinceMs(a) : 0) ||
    byRestarts(a, b) ||
    createdMs(b) - createdMs(a)
  );
}

/** Surplus pods: first those whose index is complete or duplicated, then those that have come less far. */
function podsToRemove(
  job: Job,
  active: readonly Pod[],
  indexes: IndexProgress | undefined,
  count: number,
): Pod[] {
  if (!indexes) return [...active].sort(byProgress).slice(0, count);
  const seen = new Set<number>();
  const surplus: Pod[] = [];
  const rest: Pod[] = [];
  for (const pod of [...active].sort((a, b) => byProgress(b, a))) {
    const index = indexOf(job, pod);
    const isOfNoUse =
      index === undefined || seen.has(index) || indexes.completed.has(index) || indexes.failed?.has(index);
    if (index !== undefined) seen.add(index);
    (isOfNoUse ? surplus : rest).push(pod);
  }
  const inOrder = rest.sort((a, b) => byProgress(a, b) || (indexOf(job, a) ?? 0) - (indexOf(job, b) ?? 0));
  return [...surplus, ...inOrder.slice(0, Math.max(0, count - surplus.length))];
}

/** How it ends once there is nothing left to do. */
function completion(
  { job, active }: SeenPods,
  { succeeded }: Progress,
  { create }: PodSteps,
): Verdict | undefined {
  if (job.metadata.deletionTimestamp || active.length > 0) return undefined;
  const { completions } = job.spec!;
  const reached: Verdict = {
    outcome: 'success',
    reason: 'CompletionsReached',
    message: 'Reached expected number of succeeded pods',
  };
  if (completions === undefined) return succeeded > 0 && create.length === 0 ? reached : undefined;
  return succeeded >= completions ? reached : undefined;
}

/** What is counted now, and which pods are held no longer for that. */
function planOutcomes(
  seen: SeenPods,
  indexes: IndexProgress | undefined,
  verdict: Verdict | undefined,
): Outcomes {
  const { job, pods, matches, uncounted } = seen;
  const isOver = verdict !== undefined || job.metadata.deletionTimestamp !== undefined;
  const newlySucceeded: string[] = [];
  const newlyFailed: string[] = [];
  const release: Pod[] = [];
  for (const pod of pods) {
    if (!isTracked(pod)) continue;
    const { uid } = pod.metadata;
    const isSucceeded = pod.status?.phase === 'Succeeded';
    const isFailed = countsAsFailed(job, pod);
    if (!isSucceeded && !isFailed && !isOver) continue;
    if (isFailed && !isOver && isStillNeeded(job, pod, indexes)) continue;
    if (newlySucceeded.length + newlyFailed.length >= uncountedMax) break;
    release.push(pod);
    if (uncounted.succeeded.has(uid) || uncounted.failed.has(uid)) continue;
    if (isSucceeded) {
      if (!indexes) newlySucceeded.push(uid);
    } else if (isFailed ? !isIgnored(seen, pod) : verdict?.outcome === 'failure') {
      if (!indexes || indexOf(job, pod) !== undefined) newlyFailed.push(uid);
    }
  }
  const failureActions = release.flatMap(({ metadata: { uid } }) => {
    const match = matches.get(uid);
    return match && !uncounted.failed.has(uid) ? [match.action] : [];
  });
  return { newlySucceeded, newlyFailed, release, failureActions };
}
