/** A Deployment's status, computed from its ReplicaSets: replica counts, and whether the rollout makes progress. */

import { findCondition, withoutCondition } from '../../../api/conditions.ts';
import type { Deployment } from '../../../api/resources.gen.ts';
import type * as apps from '../../../api/types/apps-v1.gen.ts';
import { desiredReplicas, maxUnavailableOf, replicasOf, sum, totals } from './deployment-rollout.ts';
import { allOf, type DeploymentSets } from './deployment-sets.ts';

type Condition = apps.DeploymentCondition;

export interface Now {
  ms: number;
  /** The same as RFC 3339. */
  text: string;
}

export const progressReasons = {
  created: 'NewReplicaSetCreated',
  found: 'FoundNewReplicaSet',
  updated: 'ReplicaSetUpdated',
  available: 'NewReplicaSetAvailable',
  createError: 'ReplicaSetCreateError',
  timedOut: 'ProgressDeadlineExceeded',
  paused: 'DeploymentPaused',
  resumed: 'DeploymentResumed',
} as const;

/** The server's default means "none": a rollout never counts as stuck then. */
const noDeadline = 2 ** 31 - 1;

export function hasProgressDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec!.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== noDeadline;
}

export function progressCondition(
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  now: string,
): Condition {
  return { type: 'Progressing', status, reason, message, lastUpdateTime: now, lastTransitionTime: now };
}

/** Sets a condition unless it already says the same; its transition time changes only with its status. */
export function setDeploymentCondition(
  conditions: readonly Condition[] | undefined,
  next: Condition,
): Condition[] {
  const current = findCondition(conditions, next.type);
  if (current?.status === next.status && current.reason === next.reason) return [...(conditions ?? [])];
  const lastTransitionTime =
    current?.status === next.status ? current.lastTransitionTime : next.lastTransitionTime;
  return [...withoutCondition(conditions, next.type), { ...next, lastTransitionTime }];
}

/** The numbers and the Available condition. */
export function computeDeploymentStatus(
  deployment: Deployment,
  sets: DeploymentSets,
  now: Now,
): apps.DeploymentStatus {
  const all = allOf(sets);
  const counts = totals(all);
  const { status } = deployment;
  const isAvailable = counts.availableReplicas >= desiredReplicas(deployment) - maxUnavailableOf(deployment);
  const available: Condition = {
    type: 'Available',
    status: isAvailable ? 'True' : 'False',
    reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: isAvailable
      ? 'Deployment has minimum availability.'
      : 'Deployment does not have minimum availability.',
    lastUpdateTime: now.text,
    lastTransitionTime: now.text,
  };
  return {
    ...counts,
    observedGeneration: deployment.metadata.generation,
    updatedReplicas: sets.current?.status?.replicas ?? 0,
    unavailableReplicas: Math.max(0, sum(all, replicasOf) - counts.availableReplicas),
    ...(status?.collisionCount !== undefined && { collisionCount: status.collisionCount }),
    conditions: setDeploymentCondition(status?.conditions, available),
  };
}

/** The status of a rollout under way or done: {@link computeDeploymentStatus} and the Progressing and failure conditions. */
export function computeRolloutStatus(
  deployment: Deployment,
  sets: DeploymentSets,
  now: Now,
): apps.DeploymentStatus {
  const { current, old } = sets;
  const status = computeDeploymentStatus(deployment, sets, now);
  const conditions = withProgress({ deployment, current, status, now });
  const failure = (current ? [current, ...old] : old)
    .map((rs) => findCondition(rs.status?.conditions, 'ReplicaFailure'))
    .find((condition) => condition !== undefined);
  return { ...status, conditions: withReplicaFailure(conditions, failure, now.text) };
}

interface Progress {
  deployment: Deployment;
  current: DeploymentSets['current'];
  /** The next status, apart from these conditions. */
  status: apps.DeploymentStatus;
  now: Now;
}

/** The conditions of `status`, with the present state of progress. */
function withProgress({ deployment, current, status, now }: Progress): Condition[] {
  const { conditions = [] } = status;
  if (!hasProgressDeadline(deployment)) return withoutCondition(conditions, 'Progressing');
  const before = findCondition(deployment.status?.conditions, 'Progressing');
  const { available, updated, timedOut } = progressReasons;
  const isDone = status.replicas === status.updatedReplicas && before?.reason === available;
  if (isDone) return conditions;
  const subject = current
    ? `ReplicaSet "${current.metadata.name}"`
    : `Deployment "${deployment.metadata.name}"`;
  const condition = (value: 'True' | 'False', reason: string, message: string) =>
    progressCondition(value, reason, `${subject} ${message}`, now.text);
  if (isComplete(deployment, status))
    return setDeploymentCondition(conditions, condition('True', available, 'has successfully progressed.'));
  if (hasProgressed(deployment, status)) {
    const next = condition('True', updated, 'is progressing.');
    const { lastTransitionTime } = before?.status === 'True' ? before : next;
    // Each step forward restarts the deadline.
    return [...withoutCondition(conditions, 'Progressing'), { ...next, lastTransitionTime }];
  }
  if (isTimedOut(deployment, before, now.ms))
    return setDeploymentCondition(conditions, condition('False', timedOut, 'has timed out progressing.'));
  return conditions;
}

/** `failure`: that of one of the ReplicaSets. */
function withReplicaFailure(
  conditions: readonly Condition[],
  failure: apps.ReplicaSetCondition | undefined,
  now: string,
): Condition[] {
  if (!failure) return withoutCondition(conditions, 'ReplicaFailure');
  const { status, reason, message, lastTransitionTime = now } = failure;
  const next = { type: 'ReplicaFailure', status, reason, message, lastUpdateTime: now, lastTransitionTime };
  return setDeploymentCondition(conditions, next);
}

export function isComplete(deployment: Deployment, status: apps.DeploymentStatus): boolean {
  const desired = desiredReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed(deployment: Deployment, next: apps.DeploymentStatus): boolean {
  const old = deployment.status ?? {};
  const oldPods = (status: apps.DeploymentStatus) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (next.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    oldPods(next) < oldPods(old) ||
    (next.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (next.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: Deployment, before: Condition | undefined, nowMs: number): boolean {
  if (!before || before.reason === progressReasons.available) return false;
  if (before.reason === progressReasons.timedOut) return true;
  const deadlineMs = deployment.spec!.progressDeadlineSeconds! * 1000;
  return Date.parse(before.lastUpdateTime ?? '') + deadlineMs < nowMs;
}

/** When to check again whether the rollout is stuck; undefined when there is nothing to wait for. */
export function progressCheckInMs(
  deployment: Deployment,
  status: apps.DeploymentStatus,
  nowMs: number,
): number | undefined {
  const progress = findCondition(status.conditions, 'Progressing');
  if (!progress || !hasProgressDeadline(deployment)) return undefined;
  if (deployment.spec!.paused || progress.reason === progressReasons.timedOut) return undefined;
  if (isComplete(deployment, status)) return undefined;
  const deadlineMs = deployment.spec!.progressDeadlineSeconds! * 1000;
  return Math.max(0, Date.parse(progress.lastUpdateTime ?? '') + deadlineMs - nowMs) + 1000;
}

/** The condition for a Deployment that is paused or resumed; undefined when it already has it. */
export function pauseCondition(deployment: Deployment, now: Now): Condition | undefined {
  if (!hasProgressDeadline(deployment)) return undefined;
  const current = findCondition(deployment.status?.conditions, 'Progressing');
  // A rollout known to be stuck remains so: pausing it does not restart the deadline.
  if (current?.reason === progressReasons.timedOut) return undefined;
  const { paused, resumed } = progressReasons;
  const isMarked = current?.reason === paused;
  if (deployment.spec!.paused && !isMarked)
    return progressCondition('Unknown', paused, 'Deployment is paused', now.text);
  if (!deployment.spec!.paused && isMarked)
    return progressCondition('Unknown', resumed, 'Deployment is resumed', now.text);
  return undefined;
}
