/** What a StatefulSet does next. Decides; never acts. Every rule about order lives here and in its test. */
import type { ControllerRevision, Pod, StatefulSet } from '../../../api/resources.gen.ts';
import type * as apps from '../../../api/types/apps-v1.gen.ts';
import { scaledValue } from '../../int-or-percent.ts';
import { isPodAvailable, isPodReady, isPodTerminal } from '../../pods/pod-state.ts';
import { revisionHashLabel } from '../controller-revision.ts';
import { ordinalOf, startOrdinal } from './statefulset-pod.ts';

export type StatefulStep =
  | { act: 'create'; ordinal: number; revision: ControllerRevision }
  /** It ended: it is deleted, and created again once it is gone. */
  | { act: 'replace'; ordinal: number; pod: Pod }
  | { act: 'scaleDown'; ordinal: number; pod: Pod }
  | { act: 'update'; ordinal: number; pod: Pod };

export interface StatefulPlan {
  steps: StatefulStep[];
  /** Pods that stay in their place, with labels and claims to be corrected. */
  settled: { ordinal: number; pod: Pod }[];
  /** Pending pods: their claims are made again where they are missing, and follow the policy at once. */
  pending: { ordinal: number; pod: Pod }[];
  /** Pods that will go, those that are going included: whether their claims go too must be known before. */
  condemned: { ordinal: number; pod: Pod }[];
}

export interface Revisions {
  current: ControllerRevision;
  update: ControllerRevision;
}

/** What of a revision a status tells. */
interface NamedRevision {
  metadata: { name: string };
}

/**
 * The revisions of a set that is being deleted, by its status: its history may be gone before its pods, and no other is
 * made.
 */
export function lastRevisions({ status }: StatefulSet): { current: NamedRevision; update: NamedRevision } {
  const named = (name = '') => ({ metadata: { name } });
  return { current: named(status?.currentRevision), update: named(status?.updateRevision) };
}

function isParallel(set: StatefulSet): boolean {
  return set.spec!.podManagementPolicy === 'Parallel';
}
export function isPodPending(pod: Pod): boolean {
  return (pod.status?.phase ?? 'Pending') === 'Pending';
}
function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}
function isRunningAndReady(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodReady(pod);
}
function isHealthy(pod: Pod): boolean {
  return isRunningAndReady(pod) && !isTerminating(pod);
}
function revisionOf(pod: Pod): string | undefined {
  return pod.metadata.labels?.[revisionHashLabel];
}

export function planStatefulSet(
  set: StatefulSet,
  revisions: Revisions,
  pods: readonly Pod[],
  nowMs: number,
): StatefulPlan {
  const plan: StatefulPlan = { steps: [], settled: [], pending: [], condemned: [] };
  if (set.metadata.deletionTimestamp) return plan;
  const minReadySeconds = set.spec!.minReadySeconds ?? 0;
  const isAvailable = (pod: Pod) => isRunningAndReady(pod) && isPodAvailable(pod, minReadySeconds, nowMs);
  const start = startOrdinal(set);
  const end = start + (set.spec!.replicas ?? 1);
  const places = new Map<number, Pod>();
  const condemned: { ordinal: number; pod: Pod }[] = [];
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal >= start && ordinal < end) places.set(ordinal, pod);
    else if (ordinal >= 0) condemned.push({ ordinal, pod });
  }
  condemned.sort((a, b) => b.ordinal - a.ordinal);
  const inOrder = !isParallel(set);

  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = places.get(ordinal);
    if (!pod) {
      plan.steps.push({ act: 'create', ordinal, revision: revisionFor(set, revisions, ordinal) });
      if (inOrder) return plan;
      continue;
    }
    if (isPodTerminal(pod)) {
      if (!isTerminating(pod)) plan.steps.push({ act: 'replace', ordinal, pod });
      if (inOrder) return plan;
      continue;
    }
    if (isPodPending(pod)) plan.pending.push({ ordinal, pod });
    if (inOrder && (isTerminating(pod) || !isAvailable(pod))) return plan;
    plan.settled.push({ ordinal, pod });
  }

  plan.condemned.push(...condemned);
  const isUnavailable = (pod: Pod) => isTerminating(pod) || !isAvailable(pod);
  const firstUnavailable = findFirst(isUnavailable, { places, start, end }, condemned);
  for (const { ordinal, pod } of condemned) {
    if (isTerminating(pod)) {
      if (inOrder) return plan;
      continue;
    }
    // The highest ordinal goes first, once all below it are healthy; a broken one may go regardless of its ordinal.
    if (inOrder && !isAvailable(pod) && pod !== firstUnavailable) return plan;
    plan.steps.push({ act: 'scaleDown', ordinal, pod });
    if (inOrder) return plan;
  }
  plan.steps.push(...planUpdate(set, revisions, { places, start, end }, isUnavailable));
  return plan;
}

/** The pods of the set by ordinal, from `start` to before `end`. */
interface Row {
  places: ReadonlyMap<number, Pod>;
  start: number;
  end: number;
}

/** By ordinal: those that stay before those that go. */
function findFirst(
  isSought: (pod: Pod) => boolean,
  { places, start, end }: Row,
  condemned: readonly { pod: Pod }[],
): Pod | undefined {
  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = places.get(ordinal);
    if (pod && isSought(pod)) return pod;
  }
  return condemned.findLast(({ pod }) => isSought(pod))?.pod;
}

/** New pods below the partition have the old revision: a held-back update stays held back. */
function revisionFor(set: StatefulSet, { current, update }: Revisions, ordinal: number): ControllerRevision {
  if (set.spec!.updateStrategy?.type === 'OnDelete') return update;
  const partition = set.spec!.updateStrategy?.rollingUpdate?.partition ?? 0;
  return ordinal < startOrdinal(set) + partition ? current : update;
}

/** Pods of the set that are missing, terminating or not yet available. */
export function countUnavailable(set: StatefulSet, pods: readonly Pod[], nowMs: number): number {
  const { replicas = 1, minReadySeconds = 0 } = set.spec!;
  const start = startOrdinal(set);
  const isThere = (pod: Pod) => {
    const ordinal = ordinalOf(set, pod);
    const isPlaced = ordinal >= start && ordinal < start + replicas;
    return isPlaced && isHealthy(pod) && isPodAvailable(pod, minReadySeconds, nowMs);
  };
  return replicas - pods.filter(isThere).length;
}

/** Percentages are rounded down, despite what the field's description says; at least 1. */
export function maxUnavailableOf(set: StatefulSet): number {
  const { replicas = 1, updateStrategy } = set.spec!;
  return Math.max(1, scaledValue(updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, replicas, 'down'));
}

function planUpdate(
  set: StatefulSet,
  { update }: Revisions,
  { places, start, end }: Row,
  isUnavailable: (pod: Pod) => boolean,
): StatefulStep[] {
  const strategy = set.spec!.updateStrategy;
  if (strategy?.type === 'OnDelete') return [];
  const partition = strategy?.rollingUpdate?.partition ?? 0;
  const max = maxUnavailableOf(set);
  let unavailable = [...places.values()].filter(isUnavailable).length;
  let disrupted = 0;
  const steps: StatefulStep[] = [];
  for (let ordinal = end - 1; ordinal >= start + partition && disrupted < max; ordinal--) {
    const pod = places.get(ordinal);
    if (!pod) {
      disrupted++;
    } else if (revisionOf(pod) !== update.metadata.name && !isTerminating(pod)) {
      const isFree = isUnavailable(pod);
      // With one pod at a time, a broken pod further down must not block the rollout that may fix it.
      if (!isFree && max > 1 && unavailable >= max) break;
      if (!isFree) unavailable++;
      steps.push({ act: 'update', ordinal, pod });
      disrupted++;
    } else if (isUnavailable(pod)) {
      disrupted++;
    }
  }
  return steps;
}

/** Counts that describe the present pods; {@link statusAfter} adds what was just done. */
export function planStatefulStatus(
  set: StatefulSet,
  { current, update }: { current: NamedRevision; update: NamedRevision },
  pods: readonly Pod[],
  { collisionCount, nowMs }: { collisionCount: number; nowMs: number },
): apps.StatefulSetStatus {
  const minReadySeconds = set.spec!.minReadySeconds ?? 0;
  const status: apps.StatefulSetStatus = {
    observedGeneration: set.metadata.generation,
    currentRevision: current.metadata.name,
    updateRevision: update.metadata.name,
    collisionCount,
    replicas: 0,
    readyReplicas: 0,
    availableReplicas: 0,
    currentReplicas: 0,
    updatedReplicas: 0,
  };
  for (const pod of pods) {
    status.replicas++;
    if (isRunningAndReady(pod)) {
      status.readyReplicas!++;
      if (isPodAvailable(pod, minReadySeconds, nowMs)) status.availableReplicas!++;
    }
    if (!isTerminating(pod)) countRevision(status, revisionOf(pod), 1);
  }
  return status;
}

function countRevision(status: apps.StatefulSetStatus, revision: string | undefined, by: number): void {
  if (revision === status.currentRevision) status.currentReplicas! += by;
  if (revision === status.updateRevision) status.updatedReplicas! += by;
}

/** A step that was done, and the revision of the pod that it created or deleted. */
export interface DoneStep {
  act: StatefulStep['act'];
  revision: string;
}

/** The status with what was just done, and after an update's last step with the new revision as the current one. */
export function statusAfter(
  { spec }: StatefulSet,
  before: apps.StatefulSetStatus,
  done: readonly DoneStep[],
): apps.StatefulSetStatus {
  const status = { ...before };
  for (const { act, revision } of done) {
    if (act === 'create') status.replicas++;
    countRevision(status, revision, act === 'create' ? 1 : -1);
  }
  const { replicas, readyReplicas, updatedReplicas, updateRevision } = status;
  const isUpdated = updatedReplicas === replicas && readyReplicas === replicas;
  if (spec!.updateStrategy?.type === 'OnDelete' || !isUpdated || replicas !== (spec!.replicas ?? 1))
    return status;
  return { ...status, currentReplicas: updatedReplicas, currentRevision: updateRevision };
}
