/** How many disruptions a budget allows. Decides; never acts. */

import { withCondition } from '../../api/conditions.ts';
import type { Pod, PodDisruptionBudget } from '../../api/resources.gen.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import type * as policy from '../../api/types/policy-v1.gen.ts';
import { leastOf } from '../../base/least-of.ts';
import { goSelector } from '../go-selector.ts';
import { scaledValue } from '../int-or-percent.ts';
import { isPodReady, isPodTerminal } from '../pods/pod-state.ts';

/** An evicted pod that is still there after this time is assumed to stay. */
const evictionTimeoutMs = 120_000;

export interface BudgetPlan {
  status: policy.PodDisruptionBudgetStatus;
  /** How long an eviction that did not happen is counted. */
  recheckInMs?: number;
}

/** Whether the budget depends on the size that the pods' controllers want. */
export function needsScale(pdb: PodDisruptionBudget): boolean {
  const { minAvailable, maxUnavailable } = pdb.spec ?? {};
  return maxUnavailable !== undefined || typeof minAvailable === 'string';
}

/** `scale`: how many pods their controllers want in total; see {@link needsScale}. */
export function planBudget(
  pdb: PodDisruptionBudget,
  pods: readonly Pod[],
  scale: number,
  now: { ms: number; text: string },
): BudgetPlan {
  const { minAvailable, maxUnavailable } = pdb.spec ?? {};
  let expectedPods = pods.length;
  let desiredHealthy = pods.length === 0 ? 0 : 1;
  if (maxUnavailable !== undefined) {
    expectedPods = scale;
    desiredHealthy = Math.max(0, scale - scaledValue(maxUnavailable, scale, 'up'));
  } else if (typeof minAvailable === 'string') {
    expectedPods = scale;
    desiredHealthy = scaledValue(minAvailable, scale, 'up');
  } else if (minAvailable !== undefined) desiredHealthy = minAvailable;

  const { disruptedPods, recheckInMs } = stillDisrupted(pdb, pods, now.ms);
  const currentHealthy = pods.filter(
    (pod) => !pod.metadata.deletionTimestamp && !disruptedPods[pod.metadata.name] && isPodReady(pod),
  ).length;
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const isAllowed = disruptionsAllowed > 0;
  const conditions = withCondition(
    pdb.status?.conditions,
    {
      type: 'DisruptionAllowed',
      status: isAllowed ? 'True' : 'False',
      reason: isAllowed ? 'SufficientPods' : 'InsufficientPods',
      message: '',
      lastTransitionTime: now.text,
      observedGeneration: pdb.metadata.generation,
    },
    now.text,
  );
  const status = {
    observedGeneration: pdb.metadata.generation,
    currentHealthy,
    desiredHealthy,
    expectedPods,
    disruptionsAllowed,
    ...(Object.keys(disruptedPods).length > 0 && { disruptedPods }),
    conditions,
  };
  return { status, ...(recheckInMs !== undefined && { recheckInMs }) };
}

/** Nothing is allowed while the expected number of pods is unknown; the counts stay as they were. */
export function planFailSafe(
  pdb: PodDisruptionBudget,
  why: string,
  now: { text: string },
): policy.PodDisruptionBudgetStatus {
  const { observedGeneration = 0 } = pdb.status ?? {};
  const condition = {
    type: 'DisruptionAllowed',
    status: 'False' as const,
    reason: 'SyncFailed',
    message: why,
    lastTransitionTime: now.text,
    ...(observedGeneration > 0 && { observedGeneration }),
  };
  return {
    currentHealthy: 0,
    desiredHealthy: 0,
    expectedPods: 0,
    ...pdb.status,
    disruptionsAllowed: 0,
    conditions: withCondition(pdb.status?.conditions, condition, now.text),
  };
}

/** Upstream's words, with the selector as Go prints it. */
export function unmanagedMessage(pdb: PodDisruptionBudget): string {
  return (
    `Pods selected by this PodDisruptionBudget (selector: ${goSelector(pdb.spec?.selector)}) were found to be unmanaged. ` +
    'As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. ' +
    'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
  );
}

/** Evictions that were allowed and do not show in the pods yet. */
function stillDisrupted(
  pdb: PodDisruptionBudget,
  pods: readonly Pod[],
  nowMs: number,
): { disruptedPods: Record<string, string>; recheckInMs?: number } {
  const disruptedPods: Record<string, string> = {};
  let recheckInMs: number | undefined;
  for (const [name, time] of Object.entries(pdb.status?.disruptedPods ?? {})) {
    const pod = pods.find((one) => one.metadata.name === name);
    const leftMs = Date.parse(time) + evictionTimeoutMs - nowMs;
    if (!pod || pod.metadata.deletionTimestamp || isPodTerminal(pod) || leftMs <= 0) continue;
    disruptedPods[name] = time;
    recheckInMs = leastOf(recheckInMs, leftMs);
  }
  return { disruptedPods, ...(recheckInMs !== undefined && { recheckInMs }) };
}

/**
 * Pods that several budgets select, and of which this one reports it: the first by name. Such a pod cannot be evicted.
 * `all`: the budgets of the namespace.
 */
export function contestedPods(
  pdb: PodDisruptionBudget,
  all: Iterable<PodDisruptionBudget>,
  pods: readonly Pod[],
): Pod[] {
  const { name } = pdb.metadata;
  const others = [...all]
    .filter((other) => other.metadata.name !== name)
    .map(({ metadata, spec }) => ({
      isBefore: metadata.name < name,
      selects: compileLabelSelector(spec?.selector),
    }));
  if (others.length === 0) return [];
  return pods.filter((pod) => {
    const rivals = others.filter(({ selects }) => selects(pod.metadata.labels));
    return rivals.length > 0 && !rivals.some(({ isBefore }) => isBefore);
  });
}

export function contestedMessage({ metadata }: PodDisruptionBudget, pod: Pod): string {
  return `Pod "${metadata.namespace}"/"${pod.metadata.name}" matches multiple PodDisruptionBudgets.  Chose "${metadata.name}" arbitrarily.`;
}
