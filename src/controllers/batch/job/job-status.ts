/** What the status of a Job says, by its plan: counts, conditions and outcomes that are being counted. Decides; never acts. */

import { findCondition } from '../../../api/conditions.ts';
import type { Job, Pod } from '../../../api/resources.gen.ts';
import type { JobCondition, JobStatus } from '../../../api/types/batch-v1.gen.ts';
import { formatIndexes } from './job-indexes.ts';
import type { JobPlan, Verdict } from './job-plan.ts';
import { isTracked } from './job-pod.ts';

/** Outcomes of pods, by uid. */
interface Outcomes {
  succeeded: readonly string[];
  failed: readonly string[];
}

/**
 * The status that records outcomes before the finalizers of their pods are removed; undefined when there is nothing to
 * record.
 */
export function recordingStatus(job: Job, plan: JobPlan, now: string): JobStatus | undefined {
  const status = statusFor(job, plan, now);
  const isNeeded =
    plan.newlySucceeded.length + plan.newlyFailed.length > 0 ||
    plan.release.length > 0 ||
    status.conditions?.length !== (job.status?.conditions ?? []).length;
  if (!isNeeded) return undefined;
  const { succeeded, failed } = outcomesOf(job, plan);
  return { ...status, uncountedTerminatedPods: { succeeded: [...succeeded], failed: [...failed] } };
}

/** All that is to be counted: what the status lists already, and what is new. */
export function outcomesOf({ status }: Job, { newlySucceeded, newlyFailed }: JobPlan): Outcomes {
  const before = status?.uncountedTerminatedPods;
  return {
    succeeded: [...(before?.succeeded ?? []), ...newlySucceeded],
    failed: [...(before?.failed ?? []), ...newlyFailed],
  };
}

export interface CountedStatus {
  status: JobStatus;
  /** How the job has ended with this status, if it has. */
  end: Verdict | undefined;
}

/**
 * The status that counts what is recorded. A pod that is gone, or has lost its finalizer before, is counted, too.
 * `recorded`: outcomes in {@link recordingStatus}. `released`: uids of pods whose finalizer was removed.
 */
export function countedStatus(
  { job, recorded, now }: { job: Job; recorded: Outcomes; now: string },
  plan: JobPlan,
  pods: readonly Pod[],
  released: ReadonlySet<string>,
): CountedStatus {
  const tracked = new Set(pods.filter(isTracked).map((pod) => pod.metadata.uid));
  const isHeld = (uid: string) => tracked.has(uid) && !released.has(uid);
  const count = (uids: readonly string[]) => uids.filter((uid) => !isHeld(uid)).length;
  const left = { succeeded: recorded.succeeded.filter(isHeld), failed: recorded.failed.filter(isHeld) };
  const status: JobStatus = {
    ...statusFor(job, plan, now),
    failed: (job.status?.failed ?? 0) + count(recorded.failed),
    uncountedTerminatedPods: left,
  };
  if (!plan.completedIndexes) status.succeeded = (job.status?.succeeded ?? 0) + count(recorded.succeeded);
  // A pod that could not be released would be left without a controller.
  const isReleased = plan.release.every(({ metadata }) => released.has(metadata.uid));
  const unfinished = left.succeeded.length + left.failed.length + plan.terminating + plan.active;
  if (!plan.verdict || !isReleased || unfinished > 0) return { status, end: undefined };
  return { status: concluded(status, plan.verdict, now), end: plan.verdict };
}

/** Counts and conditions, without what is being counted. */
function statusFor({ spec, status }: Job, plan: JobPlan, now: string): JobStatus {
  const isSuspended = spec!.suspend === true;
  const { completedIndexes, failedIndexes } = plan;
  return {
    ...status,
    conditions: plan.verdict
      ? withIntent(status?.conditions ?? [], plan.verdict, now)
      : withSuspension(status?.conditions ?? [], isSuspended, now),
    startTime: isSuspended ? undefined : (status?.startTime ?? now),
    active: plan.active,
    ready: plan.ready,
    terminating: plan.terminating,
    ...(completedIndexes && {
      succeeded: completedIndexes.size,
      completedIndexes: formatIndexes(completedIndexes),
    }),
    ...(failedIndexes && { failedIndexes: formatIndexes(failedIndexes) }),
  };
}

/** A job that is about to end says so, until its pods have. */
function withIntent(conditions: readonly JobCondition[], verdict: Verdict, now: string): JobCondition[] {
  const type = verdict.outcome === 'failure' ? 'FailureTarget' : 'SuccessCriteriaMet';
  const isMarked = findCondition(conditions, type)?.status === 'True';
  return isMarked ? [...conditions] : [...conditions, conditionOf(type, 'True', verdict, now)];
}

const suspended = { reason: 'JobSuspended', message: 'Job suspended' };
const resumed = { reason: 'JobResumed', message: 'Job resumed' };

function withSuspension(
  conditions: readonly JobCondition[],
  isSuspended: boolean,
  now: string,
): JobCondition[] {
  const at = conditions.findIndex(({ type }) => type === 'Suspended');
  const isMarked = conditions[at]?.status === 'True';
  if (isSuspended === isMarked) return [...conditions];
  const next = isSuspended
    ? conditionOf('Suspended', 'True', suspended, now)
    : conditionOf('Suspended', 'False', resumed, now);
  return at >= 0 ? conditions.with(at, next) : [...conditions, next];
}

function concluded(status: JobStatus, verdict: Verdict, now: string): JobStatus {
  const type = verdict.outcome === 'failure' ? 'Failed' : 'Complete';
  return {
    ...status,
    conditions: [...(status.conditions ?? []), conditionOf(type, 'True', verdict, now)],
    // A job whose pods end while it is suspended has still started.
    startTime: status.startTime ?? now,
    ...(verdict.outcome === 'success' && { completionTime: now }),
  };
}

function conditionOf(
  type: string,
  status: 'True' | 'False',
  { reason, message }: { reason: string; message: string },
  now: string,
): JobCondition {
  return { type, status, reason, message, lastProbeTime: now, lastTransitionTime: now };
}

/** The event that a change of the status is worth; undefined when the job was neither suspended nor resumed. */
export function suspensionEvent(
  before: JobStatus | undefined,
  after: JobStatus,
): { reason: string; message: string } | undefined {
  const was = findCondition(before?.conditions, 'Suspended')?.status;
  const is = findCondition(after.conditions, 'Suspended')?.status;
  if (was === is) return undefined;
  if (is === 'True') return { reason: 'Suspended', message: suspended.message };
  return is === 'False' ? { reason: 'Resumed', message: resumed.message } : undefined;
}
