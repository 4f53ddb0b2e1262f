/** Which pods of a node have to go because of its NoExecute taints, and when. Decides; never acts. */

import type { Pod } from '../../api/resources.gen.ts';
import type { Taint } from '../../api/types/core-v1.gen.ts';
import { leastOf } from '../../base/least-of.ts';
import { tolerates } from './node-state.ts';

/** A pod whose time is over, and since when. */
export interface DuePod {
  pod: Pod;
  dueMs: number;
}

export interface EvictionPlan {
  due: DuePod[];
  /** Uids of pods that are to go later. */
  later: Set<string>;
  /** Pods that were to go and may stay after all. */
  cancelled: Pod[];
  /** When the first of the later ones is due. */
  nextMs: number | undefined;
}

/** `addedMs`: when each taint was added. `scheduled`: the `later` of the last plan. */
export function planEvictions(
  pods: Iterable<Pod>,
  { taints, addedMs }: { taints: readonly Taint[]; addedMs: readonly number[] },
  { scheduled, nowMs }: { scheduled: ReadonlySet<string>; nowMs: number },
): EvictionPlan {
  const plan: EvictionPlan = { due: [], later: new Set(), cancelled: [], nextMs: undefined };
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp) continue;
    const dueMs = evictionTime(pod, taints, addedMs);
    if (dueMs === undefined) {
      if (scheduled.has(pod.metadata.uid)) plan.cancelled.push(pod);
    } else if (dueMs <= nowMs) plan.due.push({ pod, dueMs });
    else {
      plan.later.add(pod.metadata.uid);
      plan.nextMs = leastOf(plan.nextMs, dueMs);
    }
  }
  return plan;
}

/** When taints without `timeAdded` were first seen. `before`: what was known of the same node. */
export function taintTimes(
  taints: readonly Taint[],
  before: ReadonlyMap<string, number>,
  nowMs: number,
): Map<string, number> {
  const undated = taints.filter(({ timeAdded }) => !timeAdded).map(nameOf);
  return new Map(undated.map((name) => [name, before.get(name) ?? nowMs]));
}

/** `seen`: by {@link taintTimes}. */
export function addedAtMs(taint: Taint, seen: ReadonlyMap<string, number>): number {
  return taint.timeAdded ? Date.parse(taint.timeAdded) : seen.get(nameOf(taint))!;
}

function nameOf({ key, value = '' }: Taint): string {
  return `${key} ${value}`;
}

/**
 * When the pod must go because of the node's taints; undefined when it may stay. `addedMs`: when each taint was added.
 */
export function evictionTime(
  pod: Pod,
  taints: readonly Taint[],
  addedMs: readonly number[],
): number | undefined {
  let dueMs: number | undefined;
  for (const [index, taint] of taints.entries()) {
    const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    // Beyond 2^53 they are big integers, which Math.min does not take.
    const limits = matching
      .map(({ tolerationSeconds }) => tolerationSeconds)
      .filter((one) => one !== undefined)
      .map(Number);
    if (matching.length > 0 && limits.length === 0) continue;
    const leftMs = limits.length === 0 ? 0 : Math.max(0, Math.min(...limits)) * 1000;
    dueMs = leastOf(dueMs, addedMs[index]! + leftMs);
  }
  return dueMs;
}
