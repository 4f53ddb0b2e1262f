/** What a Job does next, and what its status says. Decides; never acts. */
import type { Job, Pod } from '../../../api/resources.gen.ts';
import type * as batch from '../../../api/types/batch-v1.gen.ts';
import { findCondition } from '../../conditions.ts';
import { byRestarts, byStage, createdMs, readySinceMs } from '../../pod-order.ts';
import { isPodActive, isPodReady, isPodTerminating } from '../../pod-state.ts';
import { backoffLeftMs, finishedAtMs, type JobBackoff, nextBackoff, recalledBackoff } from './job-backoff.ts';
import { parseIndexes } from './job-indexes.ts';
import { countsAsFailed, failuresOf, indexOf, isIndexed, isTracked, replacesOnlyFailed } from './job-pod.ts';
import {
  type FailureAction,
  type FailureMatch,
  matchFailurePolicy,
  matchSuccessPolicy,
} from './job-policy.ts';

/** How a job ends: failure or success, first as an intent, then as a fact once its pods have ended. */
export interface Verdict {
  outcome: 'failure' | 'success';
  reason: string;
  message: string;
}

export interface JobPlan {
  verdict?: Verdict;
  isSuspended: boolean;
  /** Indexes to create pods for, or undefined once per pod of a job without indexes. */
  create: (number | undefined)[];
  remove: Pod[];
  /** Pods to count as succeeded and failed, by uid; recorded before their finalizers are removed. */
  newlySucceeded: string[];
  newlyFailed: string[];
  /** What the failure policy decided about the pods that are counted or ignored now. */
  failureActions: FailureAction[];
  /** Pods that need no finalizer any longer: their outcome is (then) counted, or irrelevant. */
  release: Pod[];
  completedIndexes?: ReadonlySet<number>;
  failedIndexes?: ReadonlySet<number>;
  /** Counts of the existing pods, before any is created or deleted. */
  active: number;
  ready: number;
  terminating: number;
  succeeded: number;
  failed: number;
  /** The earliest time at which the plan changes through time alone. */
  waitMs?: number;
  /** To be remembered once the outcomes are recorded. */
  backoff: JobBackoff;
}

const burst = 500;
/** The most uncounted pods in a status. */
const uncountedMax = 500;

export function isFinished(job: Job): boolean {
  const isTrue = (type: string) => findCondition(job.status?.conditions, type)?.status === 'True';
  return isTrue('Complete') || isTrue('Failed');
}

function isSuspendedBySpec(job: Job): boolean {
  return job.spec?.suspend === true;
}

/** A job with its present pods, and what is already known of them. */
interface SeenPods {
  job: Job;
  pods: readonly Pod[];
  active: readonly Pod[];
  /** What the pod failure policy decides about failed pods, by uid. */
  matches: ReadonlyMap<string, FailureMatch | undefined>;
  /** Ended pods that the status lists but does not count yet; by uid. */
  uncounted: { succeeded: ReadonlySet<string>; failed: ReadonlySet<string> };
  nowMs: number;
}

/** `remembered`: the `backoff` of the job's last plan that was recorded, if this process has made one. */
export function planJob(
  job: Job,
  pods: readonly Pod[],
  nowMs: number,
  remembered = recalledBackoff(pods),
): JobPlan {
  const uncounted = {
    succeeded: new Set(job.status?.uncountedTerminatedPods?.succeeded ?? []),
    failed: new Set(job.status?.uncountedTerminatedPods?.failed ?? []),
  };
  const active = pods.filter(isPodActive);
  const matches = matchFailures(job, pods);
  const seen: SeenPods = { job, pods, active, matches, uncounted, nowMs };
  const isNew = (pod: Pod) =>
    isTracked(pod) && !uncounted.succeeded.has(pod.metadata.uid) && !uncounted.failed.has(pod.metadata.uid);
  const freshSucceeded = pods.filter((pod) => isNew(pod) && pod.status?.phase === 'Succeeded');
  const newFailures = pods.filter((pod) => isNew(pod) && countsAsFailed(job, pod));
  const freshFailed = newFailures.filter((pod) => !isIgnored(seen, pod));
  const indexes = isIndexed(job) ? planIndexes(seen) : undefined;
  const succeeded = indexes
    ? indexes.completed.size
    : (job.status?.succeeded ?? 0) + uncounted.succeeded.size + freshSucceeded.length;
  const failed = (job.status?.failed ?? 0) + uncounted.failed.size + freshFailed.length;

  const plan: JobPlan = {
    isSuspended: isSuspendedBySpec(job),
    create: [],
    remove: [],
    newlySucceeded: [],
    newlyFailed: [],
    failureActions: [],
    release: [],
    active: active.length,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter(isPodTerminating).length,
    succeeded,
    failed,
    ...(indexes && { completedIndexes: indexes.completed, failedIndexes: indexes.failed }),
    backoff: nextBackoff(remembered, freshSucceeded, newFailures),
  };
  plan.verdict = decide(seen, plan);
  if (plan.verdict) plan.remove = [...active];
  else if (!job.metadata.deletionTimestamp) planPods(seen, indexes, plan);
  plan.verdict ??= completion(job, plan, active.length, indexes);
  count(seen, indexes, plan);
  const held = new Set(plan.release.map(({ metadata }) => metadata.uid));
  for (const [uid, match] of matches)
    if (match && held.has(uid) && !uncounted.failed.has(uid)) plan.failureActions.push(match.action);
  return plan;
}

/** What the pod failure policy decides about failed pods, by uid. */
function matchFailures(job: Job, pods: readonly Pod[]): Map<string, FailureMatch | undefined> {
  const matches = new Map<string, FailureMatch | undefined>();
  if (!job.spec!.podFailurePolicy) return matches;
  for (const pod of pods)
    if (countsAsFailed(job, pod)) matches.set(pod.metadata.uid, matchFailurePolicy(job, pod));
  return matches;
}

function isIgnored({ matches }: SeenPods, { metadata }: Pod): boolean {
  return matches.get(metadata.uid)?.action === 'Ignore';
}

function decide({ job, active, matches, nowMs }: SeenPods, plan: JobPlan): Verdict | undefined {
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
  if (plan.failed > backoffLimit || restartsExceed(job, active, backoffLimit))
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  const deadlineMs = plan.isSuspended ? undefined : leftOfDeadlineMs(job, nowMs);
  if (deadlineMs !== undefined) {
    if (deadlineMs <= 0) return failure('DeadlineExceeded', 'Job was active longer than specified deadline');
    plan.waitMs = deadlineMs;
  }
  if (
    plan.failedIndexes &&
    spec.maxFailedIndexes !== undefined &&
    plan.failedIndexes.size > spec.maxFailedIndexes
  )
    return failure(
      'MaxFailedIndexesExceeded',
      'Job has exceeded the specified maximal number of failed indexes',
    );
  const rule = plan.completedIndexes && matchSuccessPolicy(job, plan.completedIndexes);
  return rule ? { outcome: 'success', reason: 'SuccessPolicy', message: rule } : undefined;
}

function failure(reason: string, message: string): Verdict {
  return { outcome: 'failure', reason, message };
}

function leftOfDeadlineMs(job: Job, nowMs: number): number | undefined {
  const { activeDeadlineSeconds } = job.spec!;
  if (activeDeadlineSeconds === undefined) return undefined;
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

interface Indexes {
  completed: Set<number>;
  failed: Set<number> | undefined;
  /** Indexes that have an active pod. */
  occupied: Set<number>;
  /** The pod that records how often an index failed: kept until the next pod of the index takes the number over. */
  lastFailed: Map<number, Pod>;
}

function planIndexes(seen: SeenPods): Indexes {
  const { job, pods, active, matches } = seen;
  const limit = job.spec!.completions ?? 0;
  const completed = parseIndexes(job.status?.completedIndexes, limit);
  const occupied = new Set<number>();
  const lastFailed = new Map<number, Pod>();
  const perIndex = job.spec!.backoffLimitPerIndex;
  const failed = perIndex === undefined ? undefined : parseIndexes(job.status?.failedIndexes, limit);
  for (const pod of pods) {
    const index = indexOf(job, pod);
    if (index === undefined) continue;
    if (pod.status?.phase === 'Succeeded' && isTracked(pod)) completed.add(index);
    if (!countsAsFailed(job, pod)) continue;
    const other = lastFailed.get(index);
    const total = (one: Pod) => failuresOf(one).counted + failuresOf(one).ignored;
    if (!other || total(pod) > total(other)) lastFailed.set(index, pod);
    if (!failed || !isTracked(pod)) continue;
    const isFatal = matches.get(pod.metadata.uid)?.action === 'FailIndex';
    const isOverLimit = !isIgnored(seen, pod) && failuresOf(pod).counted >= (perIndex ?? 0);
    if (isFatal || isOverLimit) failed.add(index);
  }
  for (const index of completed) failed?.delete(index);
  const isHeld = (pod: Pod) => replacesOnlyFailed(job) && isPodTerminating(pod);
  for (const pod of [...active, ...pods.filter(isHeld)]) {
    const index = indexOf(job, pod);
    if (index !== undefined) occupied.add(index);
  }
  return { completed, failed, occupied, lastFailed };
}

function planPods(seen: SeenPods, indexes: Indexes | undefined, plan: JobPlan): void {
  const { job, active, nowMs } = seen;
  if (plan.isSuspended) {
    plan.remove = active.slice(0, burst);
    return;
  }
  const { completions, parallelism = 1 } = job.spec!;
  const failedIndexes = indexes?.failed?.size ?? 0;
  const left =
    completions === undefined
      ? plan.succeeded > 0
        ? active.length
        : parallelism
      : Math.max(0, completions - plan.succeeded - failedIndexes);
  const wanted = completions === undefined ? left : Math.min(left, parallelism);
  plan.remove = podsToRemove(job, active, indexes, Math.max(0, active.length - wanted)).slice(0, burst);
  if (plan.remove.length > 0) return;
  const terminating = replacesOnlyFailed(job) ? plan.terminating : 0;
  const missing = Math.min(burst, wanted - active.length - terminating);
  if (missing <= 0) return;
  if (!indexes) {
    const waitMs = backoffLeftMs(plan.backoff, nowMs);
    if (waitMs > 0) plan.waitMs = Math.min(plan.waitMs ?? waitMs, waitMs);
    else plan.create = Array.from({ length: missing }, () => undefined);
    return;
  }
  planIndexedPods(seen, indexes, missing, plan);
}

function planIndexedPods({ job, nowMs }: SeenPods, indexes: Indexes, missing: number, plan: JobPlan): void {
  const isPerIndex = job.spec!.backoffLimitPerIndex !== undefined;
  const wholeWaitMs = isPerIndex ? 0 : backoffLeftMs(plan.backoff, nowMs);
  if (wholeWaitMs > 0) {
    plan.waitMs = Math.min(plan.waitMs ?? wholeWaitMs, wholeWaitMs);
    return;
  }
  for (let index = 0; index < (job.spec!.completions ?? 0) && plan.create.length < missing; index++) {
    if (indexes.completed.has(index) || indexes.failed?.has(index) || indexes.occupied.has(index)) continue;
    const last = isPerIndex ? indexes.lastFailed.get(index) : undefined;
    const waitMs = last ? backoffLeftMs(backoffOfIndex(last), nowMs) : 0;
    if (waitMs > 0) plan.waitMs = Math.min(plan.waitMs ?? waitMs, waitMs);
    else plan.create.push(index);
  }
}

/** `last`: the index's pod that failed last, which says how many of its predecessors did. */
function backoffOfIndex(last: Pod): JobBackoff {
  const { counted, ignored } = failuresOf(last);
  return { failures: counted + ignored + 1, lastFailureMs: finishedAtMs(last) };
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
function podsToRemove(job: Job, active: readonly Pod[], indexes: Indexes | undefined, count: number): Pod[] {
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

function completion(
  job: Job,
  plan: JobPlan,
  active: number,
  indexes: Indexes | undefined,
): Verdict | undefined {
  if (job.metadata.deletionTimestamp) return undefined;
  const { completions } = job.spec!;
  const reached: Verdict = {
    outcome: 'success',
    reason: 'CompletionsReached',
    message: 'Reached expected number of succeeded pods',
  };
  if (completions === undefined)
    return plan.succeeded > 0 && active === 0 && plan.create.length === 0 ? reached : undefined;
  if (plan.succeeded >= completions && active === 0) return reached;
  const failed = indexes?.failed?.size ?? 0;
  if (failed > 0 && plan.succeeded + failed >= completions && active === 0)
    return failure('FailedIndexes', 'Job has failed indexes');
  return undefined;
}

function count(seen: SeenPods, indexes: Indexes | undefined, plan: JobPlan): void {
  const { job, pods, uncounted } = seen;
  const isOver = plan.verdict !== undefined || job.metadata.deletionTimestamp !== undefined;
  for (const pod of pods) {
    if (!isTracked(pod)) continue;
    const { uid } = pod.metadata;
    const isSucceeded = pod.status?.phase === 'Succeeded';
    const isFailed = countsAsFailed(job, pod);
    if (!isSucceeded && !isFailed && !isOver) continue;
    if (isFailed && !isOver && isStillNeeded(job, pod, indexes)) continue;
    if (plan.newlySucceeded.length + plan.newlyFailed.length >= uncountedMax) break;
    plan.release.push(pod);
    if (uncounted.succeeded.has(uid) || uncounted.failed.has(uid)) continue;
    if (isSucceeded) {
      if (!indexes) plan.newlySucceeded.push(uid);
    } else if (isFailed ? !isIgnored(seen, pod) : plan.verdict?.outcome === 'failure') {
      if (!indexes || indexOf(job, pod) !== undefined) plan.newlyFailed.push(uid);
    }
  }
}

/** The last failed pod of an index stays until another takes its failure count over. */
function isStillNeeded(job: Job, pod: Pod, indexes: Indexes | undefined): boolean {
  const index = indexOf(job, pod);
  if (!indexes?.failed || index === undefined) return false;
  if (indexes.failed.has(index) || indexes.completed.has(index) || indexes.occupied.has(index)) return false;
  return indexes.lastFailed.get(index) === pod;
}

/** How often the pods of an index have failed so far; undefined when the job has no such limit. */
export function failuresOfIndex(
  job: Job,
  pods: readonly Pod[],
  index: number | undefined,
): { counted: number; ignored: number } | undefined {
  if (index === undefined || job.spec!.backoffLimitPerIndex === undefined) return undefined;
  let failures = { counted: 0, ignored: 0 };
  for (const pod of pods) {
    if (indexOf(job, pod) !== index || !countsAsFailed(job, pod)) continue;
    const isIgnored = matchFailurePolicy(job, pod)?.action === 'Ignore';
    const { counted, ignored } = failuresOf(pod);
    const after = isIgnored ? { counted, ignored: ignored + 1 } : { counted: counted + 1, ignored };
    if (after.counted + after.ignored > failures.counted + failures.ignored) failures = after;
  }
  return failures;
}

export type JobStatus = batch.JobStatus;
