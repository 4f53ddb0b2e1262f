/** How large each ReplicaSet of a Deployment should be next. Every rule about sizes lives here. */
import { controllerOf } from '../../../api/meta.ts';
import type { Deployment, Pod, ReplicaSet } from '../../../api/resources.gen.ts';
import type * as apps from '../../../api/types/apps-v1.gen.ts';
import { byCreation } from '../../by-creation.ts';
import { scaledValue } from '../../int-or-percent.ts';
import { isPodActive, isPodAvailable } from '../../pods/pod-state.ts';
import { desiredReplicasAnnotation, maxReplicasAnnotation } from './deployment-annotations.ts';

/** One ReplicaSet and the replicas that it should have. */
export interface ScaleStep {
  rs: ReplicaSet;
  replicas: number;
}

export function desiredReplicas(deployment: Deployment): number {
  return deployment.spec!.replicas ?? 1;
}

export function replicasOf(rs: ReplicaSet): number {
  return rs.spec?.replicas ?? 1;
}

/** The status does not reflect the spec yet: the set may still have as many pods as it was ever asked for. */
function isUnobserved(rs: ReplicaSet): boolean {
  return (rs.metadata.generation ?? 0) > (rs.status?.observedGeneration ?? 0);
}

/** Pods that the set has or is about to have: a set that was asked to shrink may not have done so yet. */
function occupancyOf(rs: ReplicaSet): number {
  return Math.max(replicasOf(rs), rs.status?.replicas ?? 0);
}

/**
 * Available pods that remain when the set reaches its present size: its status may still count pods that are being
 * deleted.
 */
function availableOf(rs: ReplicaSet): number {
  return Math.min(rs.status?.availableReplicas ?? 0, replicasOf(rs));
}

export function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0);
}

function isRollingUpdate(deployment: Deployment): boolean {
  return (deployment.spec!.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
}

function unavailableOf(rs: ReplicaSet): number {
  return replicasOf(rs) - availableOf(rs);
}

/** Pods that the set has not created, as far as it has reported. */
function uncreatedOf(rs: ReplicaSet): number {
  return Math.max(0, replicasOf(rs) - (rs.status?.replicas ?? 0));
}

/** Surge rounds up, unavailable rounds down; if both came to zero, the rollout could never progress. */
function fenceposts(deployment: Deployment): { surge: number; unavailable: number } {
  const { maxSurge, maxUnavailable } = deployment.spec!.strategy?.rollingUpdate ?? {};
  const desired = desiredReplicas(deployment);
  const surge = scaledValue(maxSurge ?? '25%', desired, 'up');
  const unavailable = scaledValue(maxUnavailable ?? '25%', desired, 'down');
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export function maxSurgeOf(deployment: Deployment): number {
  return isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0;
}

export function maxUnavailableOf(deployment: Deployment): number {
  const desired = desiredReplicas(deployment);
  if (!isRollingUpdate(deployment) || desired === 0) return 0;
  return Math.min(fenceposts(deployment).unavailable, desired);
}

/** Replicas of a new ReplicaSet beside `old`: as many as the surge allows. */
export function newReplicaSetSize(
  deployment: Deployment,
  old: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
): number {
  const desired = desiredReplicas(deployment);
  if (!isRollingUpdate(deployment)) return desired;
  const present = current ? replicasOf(current) : 0;
  if (old.some(isUnobserved)) return present;
  const room = desired + maxSurgeOf(deployment) - sum(old, occupancyOf) - present;
  return room <= 0 ? present : present + Math.max(0, Math.min(room, desired - present));
}

/**
 * The next step of a rolling update: first the new set grows as far as allowed, then the old ones shrink as far as
 * allowed.
 */
export function planRollingUpdate(
  deployment: Deployment,
  current: ReplicaSet,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const desired = desiredReplicas(deployment);
  const present = replicasOf(current);
  const size = present > desired ? desired : newReplicaSetSize(deployment, old, current);
  if (size !== present) return [{ rs: current, replicas: size }];
  return planOldReplicaSets(deployment, current, old);
}

/** Old pods go because a status counts them as unavailable. */
export function trustsUnavailability(steps: readonly ScaleStep[], current: ReplicaSet): boolean {
  return steps.some(
    ({ rs, replicas }) => rs !== current && replicas < replicasOf(rs) && unavailableOf(rs) > 0,
  );
}

/** The set with the counts that `pods` give, where its status may be behind. */
export function withCountsOf(rs: ReplicaSet, pods: readonly Pod[], nowMs: number): ReplicaSet {
  const active = pods.filter((pod) => controllerOf(pod)?.uid === rs.metadata.uid && isPodActive(pod));
  const minReadySeconds = rs.spec?.minReadySeconds ?? 0;
  const available = active.filter((pod) => isPodAvailable(pod, minReadySeconds, nowMs));
  return { ...rs, status: { ...rs.status, replicas: active.length, availableReplicas: available.length } };
}

function planOldReplicaSets(
  deployment: Deployment,
  current: ReplicaSet,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const minAvailable = desiredReplicas(deployment) - maxUnavailableOf(deployment);
  const newUnavailable = replicasOf(current) - availableOf(current);
  const all = [...old, current];
  const cleanupMax = sum(all, replicasOf) - minAvailable - newUnavailable;
  if (sum(old, replicasOf) === 0 || cleanupMax <= 0 || all.some(isUnobserved)) return [];

  const sizes = new Map(old.map((rs) => [rs, replicasOf(rs)]));
  const oldestFirst = [...old].sort(byCreation);
  // Unhealthy pods go first, whichever set they belong to; before them those that do not exist yet, since those that do
  // may become available at any time.
  let cleanedUp = 0;
  for (const unhealthy of [uncreatedOf, unavailableOf])
    for (const rs of oldestFirst) {
      const size = sizes.get(rs)!;
      const alreadyTaken = replicasOf(rs) - size;
      const count = Math.min(cleanupMax - cleanedUp, Math.max(0, unhealthy(rs) - alreadyTaken));
      sizes.set(rs, size - count);
      cleanedUp += count;
    }
  let spare = sum(all, availableOf) - minAvailable;
  for (const rs of oldestFirst) {
    const count = Math.max(0, Math.min(sizes.get(rs)!, spare, cleanupMax - cleanedUp));
    sizes.set(rs, sizes.get(rs)! - count);
    spare -= count;
    cleanedUp += count;
  }
  return changes(sizes);
}

/** The Deployment was resized or is paused: every set keeps its proportion. */
export function planProportionalScale(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const desired = desiredReplicas(deployment);
  const active = [...old, ...(current ? [current] : [])].filter((rs) => replicasOf(rs) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? current ?? [...old].sort(byCreation).at(-1);
    return only ? [{ rs: only, replicas: desired }] : [];
  }
  if (current && isSaturated(deployment, current))
    return old.filter((rs) => replicasOf(rs) > 0).map((rs) => ({ rs, replicas: 0 }));
  if (!isRollingUpdate(deployment)) return [];

  const allowed = desired > 0 ? desired + maxSurgeOf(deployment) : 0;
  const toAdd = allowed - sum(active, replicasOf);
  const newestFirst = (a: ReplicaSet, b: ReplicaSet) => byCreation(b, a);
  active.sort((a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? newestFirst(a, b) : byCreation(a, b)));
  const steps = active.map((rs) => ({ rs, replicas: replicasOf(rs) }));
  let added = 0;
  for (const step of steps) {
    const left = toAdd - added;
    const share = shareOf(deployment, step.rs);
    const part = toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
    if (left === 0) break;
    step.replicas += part;
    added += part;
  }
  steps[0]!.replicas = Math.max(0, steps[0]!.replicas + toAdd - added);
  return steps;
}

function isSaturated(deployment: Deployment, rs: ReplicaSet): boolean {
  const desired = desiredReplicas(deployment);
  return (
    replicasOf(rs) === desired &&
    rs.metadata.annotations?.[desiredReplicasAnnotation] === String(desired) &&
    (rs.status?.availableReplicas ?? 0) === desired
  );
}

/** How much the set should grow (or shrink, when negative) to keep its proportion of the Deployment's new size. */
function shareOf(deployment: Deployment, rs: ReplicaSet): number {
  const desired = desiredReplicas(deployment);
  if (desired === 0) return -replicasOf(rs);
  const before = Number(rs.metadata.annotations?.[maxReplicasAnnotation] ?? deployment.status?.replicas ?? 0);
  if (!before) return 0;
  const size = (replicasOf(rs) * (desired + maxSurgeOf(deployment))) / before;
  return Math.round(size) - replicasOf(rs);
}

function changes(sizes: ReadonlyMap<ReplicaSet, number>): ScaleStep[] {
  return [...sizes]
    .filter(([rs, replicas]) => replicas !== replicasOf(rs))
    .map(([rs, replicas]) => ({ rs, replicas }));
}

/** Totals of what the sets report. */
export function totals(
  all: readonly ReplicaSet[],
): Required<
  Pick<apps.DeploymentStatus, 'replicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas'>
> {
  return {
    replicas: sum(all, (rs) => rs.status?.replicas ?? 0),
    readyReplicas: sum(all, (rs) => rs.status?.readyReplicas ?? 0),
    availableReplicas: sum(all, (rs) => rs.status?.availableReplicas ?? 0),
    terminatingReplicas: sum(all, (rs) => rs.status?.terminatingReplicas ?? 0),
  };
}
