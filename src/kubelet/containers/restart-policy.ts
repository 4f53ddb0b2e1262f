/** Whether a container that has ended is started again: the rules of pod and container restart policies. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { findContainer, type ObservedContainer, type ObservedPod } from '../pod/pod-observation.ts';

/** Whether a regular container should run (again), as the pod's and its own policy have it. */
export function shouldRestart(
  pod: Pod,
  container: core.Container,
  last: Pick<ObservedContainer, 'state' | 'exitCode'> | undefined,
): boolean {
  if (!last) return true;
  if (last.state === 'running') return false;
  if (last.state === 'unknown' || last.state === 'created') return true;
  return restartsAfterExit(pod, container, last.exitCode);
}

export function restartsAfterExit(pod: Pod, container: core.Container, exitCode: number): boolean {
  for (const rule of container.restartPolicyRules ?? []) {
    if (ruleMatches(rule, exitCode)) return true;
  }
  switch (container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always') {
    case 'Always':
      return true;
    case 'OnFailure':
      return exitCode !== 0;
    default:
      return false;
  }
}

/** Whether an init container that ended runs again before the pod's containers do. */
export function initRestartsAfterExit(pod: Pod, container: core.Container, exitCode: number): boolean {
  if (container.restartPolicy || container.restartPolicyRules)
    return restartsAfterExit(pod, container, exitCode);
  return exitCode !== 0 && pod.spec.restartPolicy !== 'Never';
}

/** Reason of the substituted end of a container that was removed for a restart of the whole pod. */
export const restartingAllReason = 'RestartingAllContainers';

const asksForAll = (rule: core.ContainerRestartRule) => (rule.action as string) === 'RestartAllContainers';

/** Whether the exit of some container could restart the whole pod. */
export function mayRestartAll(pod: Pod): boolean {
  return allOf(pod).some(({ restartPolicyRules = [] }) => restartPolicyRules.some(asksForAll));
}

/** The containers whose exit requests a restart of the whole pod. */
export function askersForRestartOfAll(pod: Pod, observed: ObservedPod): ObservedContainer[] {
  return allOf(pod).flatMap((container) => {
    const last = findContainer(observed, container.name);
    if (last?.state !== 'exited') return [];
    const rule = (container.restartPolicyRules ?? []).find((each) => ruleMatches(each, last.exitCode));
    return rule && asksForAll(rule) ? [last] : [];
  });
}

function allOf(pod: Pod): core.Container[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

function ruleMatches(rule: core.ContainerRestartRule, exitCode: number): boolean {
  const { operator, values = [] } = rule.exitCodes ?? { operator: 'In', values: [] };
  return operator === 'In' ? values.includes(exitCode) : operator === 'NotIn' && !values.includes(exitCode);
}
