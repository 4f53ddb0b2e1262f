/** The conditions of a pod: what has begun, what is ready, and since when. Pure. */
import { isSidecar } from '../../../api/core/pod/sidecars.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import { formatTime } from '../../../api/schema/time.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { askersForRestartOfAll, mayRestartAll } from '../../containers/restart-policy.ts';
import type { ObservedPod } from '../pod-observation.ts';
import { observedGeneration } from './observed-generation.ts';
import type { PodStatusInputs } from './pod-status.ts';

/** `status`: without its conditions. */
export function computeConditions(
  pod: Pod,
  status: core.PodStatus,
  observed: ObservedPod,
  inputs: PodStatusInputs,
): core.PodCondition[] {
  const sandbox = observed.sandboxes[0];
  // It may have been observed last before it was stopped.
  const isUp = sandbox?.ready === true && !inputs.ended;
  const hasNetwork = isUp && (sandbox.onHostNetwork || sandbox.ips.length > 0);
  const containersReady = containersReadyCondition(pod, status);
  const wanted: core.PodCondition[] = [];
  // Controllers replace a pod once they see this, and its resources are not free before it has ended.
  if (inputs.verdict?.disruption && inputs.ended)
    wanted.push({ type: 'DisruptionTarget', status: 'True', ...inputs.verdict.disruption });
  wanted.push(
    { type: 'PodReadyToStartContainers', status: hasNetwork ? 'True' : 'False' },
    initializedCondition(pod, status),
    readyCondition(pod, containersReady),
    containersReady,
    ...(mayRestartAll(pod) ? [restartingAllCondition(pod, status, observed)] : []),
    ...(inputs.resize?.conditions ?? []),
  );
  wanted.push({ type: 'PodScheduled', status: 'True' });
  const generation = observedGeneration(pod);
  return wanted.map((condition) => {
    const before = pod.status?.conditions?.find(({ type }) => type === condition.type);
    const changed = before?.status !== condition.status;
    return {
      ...condition,
      lastTransitionTime: changed ? formatTime(inputs.nowMs) : before?.lastTransitionTime,
      ...(generation !== undefined &&
        condition.type !== 'AllContainersRestarting' && { observedGeneration: generation }),
    } as core.PodCondition;
  });
}

function restartingAllCondition(
  pod: Pod,
  { phase }: core.PodStatus,
  observed: ObservedPod,
): core.PodCondition {
  const type = 'AllContainersRestarting';
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  if (askersForRestartOfAll(pod, observed).length === 0) return { type, status: 'False' };
  const message = 'container exited with restart policy rule';
  return { type, status: 'True', reason: 'RestartAllContainersStarted', message };
}

function initializedCondition(pod: Pod, status: core.PodStatus): core.PodCondition {
  const type = 'Initialized';
  const statuses = status.initContainerStatuses ?? [];
  const incomplete: string[] = [];
  for (const spec of pod.spec.initContainers ?? []) {
    const own = statuses.find(({ name }) => name === spec.name);
    if (isSidecar(spec) ? !own?.started : !own?.ready) incomplete.push(spec.name);
  }
  if (status.phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  const regularHasRun = (status.containerStatuses ?? []).some(
    ({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated,
  );
  if (incomplete.length === 0 || regularHasRun) return { type, status: 'True' };
  const message = `containers with incomplete status: [${incomplete.join(' ')}]`;
  return { type, status: 'False', reason: 'ContainersNotInitialized', message };
}

function containersReadyCondition(pod: Pod, status: core.PodStatus): core.PodCondition {
  const type = 'ContainersReady';
  if (status.phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  const counted = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const unready: string[] = [];
  const unknown: string[] = [];
  for (const { name } of counted) {
    const own = all.find((candidate) => candidate.name === name);
    if (!own) unknown.push(name);
    else if (!own.ready) unready.push(name);
  }
  const messages: string[] = [];
  if (unknown.length > 0) messages.push(`containers with unknown status: [${unknown.join(' ')}]`);
  if (unready.length > 0) messages.push(`containers with unready status: [${unready.join(' ')}]`);
  if (messages.length === 0) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotReady', message: messages.join(', ') };
}

function readyCondition(pod: Pod, containersReady: core.PodCondition): core.PodCondition {
  if (containersReady.status !== 'True') return { ...containersReady, type: 'Ready' };
  const problems: string[] = [];
  for (const { conditionType } of pod.spec.readinessGates ?? []) {
    const gate = pod.status?.conditions?.find(({ type }) => type === conditionType);
    if (!gate)
      problems.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (gate.status !== 'True')
      problems.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`);
  }
  if (problems.length === 0) return { type: 'Ready', status: 'True' };
  return { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady', message: problems.join(', ') };
}
