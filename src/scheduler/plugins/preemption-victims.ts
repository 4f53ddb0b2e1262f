/**
 * Which pods would have to be evicted from a node: the fewest and least important, and those whose budgets allow it if
 * possible.
 */

import type { PodDisruptionBudget } from '../../api/resources.gen.ts';
import {
  compileLabelSelector,
  isEmptySelector,
  type LabelPredicate,
} from '../../api/selectors/label-selector.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { type PostFilterContext, type Rejection, unresolvable } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';

/** A budget, as far as preemption needs it. */
export interface Budget {
  namespace: string;
  matches: LabelPredicate;
  disruptionsAllowed: number;
  /** Names of pods whose eviction the budget has already counted. */
  disrupted: ReadonlySet<string>;
}

export interface Candidate {
  node: NodeInfo;
  /** The most important first. */
  victims: PodInfo[];
  violations: number;
  /** Upstream's criteria, in order; lower is better, and each counts only where the earlier ones are equal. */
  ranks: readonly number[];
  /** The earliest start among the most important victims: as the last criterion, later is better. */
  start: string;
}

const noVictims = unresolvable('No preemption victims found for incoming pod');

export function readBudget(budget: PodDisruptionBudget): Budget {
  const { selector } = budget.spec ?? {};
  return {
    namespace: budget.metadata.namespace ?? '',
    matches: isEmptySelector(selector) ? () => false : compileLabelSelector(selector),
    disruptionsAllowed: budget.status?.disruptionsAllowed ?? 0,
    disrupted: new Set(Object.keys(budget.status?.disruptedPods ?? {})),
  };
}

/** The fewest pods that have to go from a node; the important ones are spared first. */
export function findVictims(
  context: PostFilterContext,
  node: NodeInfo,
  budgets: readonly Budget[],
): Candidate | Rejection {
  const { pod } = context;
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority);
  if (lower.length === 0) return noVictims;
  const trial = context.trial(node);
  for (const other of lower) trial.removePod(other);
  const stillRefused = trial.verdict();
  if (stillRefused) return stillRefused;

  const [protectedPods, others] = splitByBudgets(lower.sort(byImportance), budgets);
  const victims: PodInfo[] = [];
  const spare = (candidate: PodInfo): boolean => {
    trial.addPod(candidate);
    if (!trial.verdict()) return true;
    trial.removePod(candidate);
    victims.push(candidate);
    return false;
  };
  const violations = protectedPods.filter((candidate) => !spare(candidate)).length;
  for (const candidate of others) spare(candidate);
  if (victims.length === 0) return noVictims;
  return createCandidate(node, victims.sort(byImportance), violations);
}

/** Higher priority first; among equals, the one that has run longer. */
function byImportance(left: PodInfo, right: PodInfo): number {
  if (left.priority !== right.priority) return right.priority - left.priority;
  const [leftStart, rightStart] = [startOf(left), startOf(right)];
  return leftStart < rightStart ? -1 : leftStart > rightStart ? 1 : 0;
}

/** RFC 3339 in UTC sorts as text; a pod that has not started is newer than all that have. */
function startOf({ pod }: PodInfo): string {
  return pod.status?.startTime ?? '~';
}

/** Those whose eviction would break a budget, and those whose would not, counting in order. */
function splitByBudgets(
  pods: readonly PodInfo[],
  budgets: readonly Budget[],
): [violating: PodInfo[], others: PodInfo[]] {
  const left = budgets.map(({ disruptionsAllowed }) => disruptionsAllowed);
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    let isViolating = false;
    for (const [index, budget] of budgets.entries()) {
      const { labels, name } = info.pod.metadata;
      if (budget.namespace !== info.namespace || !labels || !budget.matches(labels)) continue;
      if (budget.disrupted.has(name)) continue;
      left[index]!--;
      if (left[index]! < 0) isViolating = true;
    }
    (isViolating ? violating : others).push(info);
  }
  return [violating, others];
}

function createCandidate(node: NodeInfo, victims: PodInfo[], violations: number): Candidate {
  const { priority } = victims[0]!;
  // Raised so that even with a negative priority each further victim has a cost.
  const cost = victims.reduce((sum, victim) => sum + victim.priority + 2 ** 31 + 1, 0);
  const starts = victims.filter((victim) => victim.priority === priority).map(startOf);
  return {
    node,
    victims,
    violations,
    ranks: [violations, priority, cost, victims.length],
    start: starts.sort()[0]!,
  };
}

export function isBetter(left: Candidate, right: Candidate): boolean {
  for (let index = 0; index < left.ranks.length; index++) {
    const difference = left.ranks[index]! - right.ranks[index]!;
    if (difference !== 0) return difference < 0;
  }
  return left.start > right.start;
}
