/** Whether a container that has ended is started again: the rules of pod and container restart policies. */
import type { Pod } from '../api/resources.gen.ts';
import type * as core from '../api/types/core-v1.gen.ts';
import type { ObservedContainer } from './pod-observation.ts';

/** A native sidecar: an init container that runs for as long as the pod. */
export function isSidecar(container: core.Container): boolean {
  return container.restartPolicy === 'Always';
}

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

/** True when the exit asks for the whole pod's containers to start anew. */
export function asksToRestartAll(container: core.Container, exitCode: number): boolean {
  return (container.restartPolicyRules ?? []).some(
    (rule) => (rule.action as string) === 'RestartAllContainers' && ruleMatches(rule, exitCode),
  );
}

function ruleMatches(rule: core.ContainerRestartRule, exitCode: number): boolean {
  const { operator, values = [] } = rule.exitCodes ?? { operator: 'In', values: [] };
  return operator === 'In' ? values.includes(exitCode) : operator === 'NotIn' && !values.includes(exitCode);
}
