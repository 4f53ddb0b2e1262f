/** The status of a pod as the node sees it: phase, conditions, addresses, containers. Pure. */
import { isSidecar } from '../../../api/core/pod/sidecars.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import { formatTime } from '../../../api/schema/time.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import {
  type ContainerStatuses,
  computeContainerStatuses,
  type StatusInputs,
  unknownEnd,
} from '../../containers/container-statuses.ts';
import {
  askersForRestartOfAll,
  initRestartsAfterExit,
  mayRestartAll,
  restartingAllReason,
  restartsAfterExit,
} from '../../containers/restart-policy.ts';
import { qosClassOf } from '../../resources/qos.ts';
import type { ObservedPod } from '../pod-observation.ts';

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** A verdict on the whole pod: past its deadline, evicted, refused. */
export interface PodVerdict {
  reason: string;
  message: string;
  /** Why it is disrupted, when something else ended it. */
  disruption?: { reason: string; message: string };
  /**
   * The pod has failed only if its containers have: if they all ended successfully, it is reported as succeeded,
   * without a reason.
   */
  yieldsToSuccess?: boolean;
}

export interface PodStatusInputs extends StatusInputs {
  nowMs: number;
  hostIps: readonly string[];
  verdict?: PodVerdict;
  /** Everything has ended, and nothing will start again. */
  ended: boolean;
  /** Drivers of its devices have yet to be told that it ended. */
  holdsDevices?: boolean;
  resize?: { conditions: core.PodCondition[] };
  /** Of the pod as a whole, in a phase. */
  ofPod?(phase: Phase): Pick<core.PodStatus, 'resources' | 'allocatedResources'>;
}

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

export function computePodStatus(pod: Pod, observed: ObservedPod, inputs: PodStatusInputs): core.PodStatus {
  const old = pod.status ?? {};
  const statuses = computeContainerStatuses(pod, observed, inputs);
  let phase = computePhase(pod, statuses, inputs);
  // While containers still run the verdict is not shown: the phase that it explains has not been reached.
  const verdict = inputs.ended && !succeedsInSpiteOf(inputs.verdict, phase) ? inputs.verdict : undefined;
  if (verdict) phase = 'Failed';
  if (isTerminalPhase(old.phase)) phase = old.phase as Phase;
  else if (
    isTerminalPhase(phase) &&
    (inputs.holdsDevices || (!inputs.ended && goesOn(pod, observed, statuses)))
  )
    phase = phaseSoFar(old.phase);
  else if (old.phase === 'Running' && phase === 'Pending') phase = 'Running';
  const status: core.PodStatus = {
    phase,
    qosClass: qosClassOf(pod),
    startTime: old.startTime ?? formatTime(inputs.nowMs),
    conditions: [],
    containerStatuses: statuses.containerStatuses,
    ...inputs.ofPod?.(phase),
  };
  if (statuses.initContainerStatuses.length > 0)
    status.initContainerStatuses = statuses.initContainerStatuses;
  if (statuses.ephemeralContainerStatuses.length > 0)
    status.ephemeralContainerStatuses = statuses.ephemeralContainerStatuses;
  if (isTerminalPhase(phase)) settleStatuses(status);
  if (inputs.ended) endUnstarted(pod, status.containerStatuses);
  addAddresses(status, pod, observed, inputs.hostIps);
  if (verdict) {
    status.reason = verdict.reason;
    status.message = verdict.message;
  } else if (isTerminalPhase(old.phase)) {
    if (old.reason) status.reason = old.reason;
    if (old.message) status.message = old.message;
  }
  if (pod.metadata.generation !== undefined) status.observedGeneration = pod.metadata.generation;
  if (verdict && observed.sandboxes.length === 0 && !old.containerStatuses?.length) {
    return refusedStatus(status);
  }
  status.conditions = computeConditions(pod, status, observed, inputs);
  return status;
}

function succeedsInSpiteOf(verdict: PodVerdict | undefined, phase: Phase): boolean {
  return verdict?.yieldsToSuccess === true && phase === 'Succeeded';
}

/** For a pod that was refused before anything was created for it: little more than the reason. */
function refusedStatus(status: core.PodStatus): core.PodStatus {
  const { hostIP, hostIPs, initContainerStatuses, resources, allocatedResources, ...left } = status;
  return { ...left, conditions: [], containerStatuses: [] };
}

/**
 * Once a pod is reported as ended, clients may reuse its resources: so this is reported only when nothing of it runs.
 */
function goesOn(pod: Pod, observed: ObservedPod, statuses: ContainerStatuses): boolean {
  if (askersForRestartOfAll(pod, observed).length > 0) return true;
  const { initContainerStatuses, containerStatuses, ephemeralContainerStatuses } = statuses;
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].some(
    ({ state }) => state?.running,
  );
}

function phaseSoFar(phase: string | undefined): Phase {
  return phase === 'Running' ? 'Running' : 'Pending';
}

/** In an ended pod nothing is waiting or ready. */
function settleStatuses(status: core.PodStatus): void {
  const groups = [status.initContainerStatuses, status.containerStatuses, status.ephemeralContainerStatuses];
  for (const group of groups)
    for (const container of group ?? []) {
      if (group !== status.initContainerStatuses || container.state?.running) container.ready = false;
      if (group !== status.ephemeralContainerStatuses) container.started = false;
      if (container.state?.waiting && container.lastState?.terminated && status.phase === 'Failed') {
        container.state = { terminated: container.lastState.terminated };
        delete container.lastState;
      }
    }
}

/** A container that should have run and never did is reported as failed when the pod ends. */
function endUnstarted(pod: Pod, statuses: core.ContainerStatus[] = []): void {
  const { phase, containerStatuses: before = [] } = pod.status ?? {};
  const isOver = isTerminalPhase(phase);
  if (!isOver && !wasInitialized(pod)) return;
  for (const status of statuses) {
    if (!status.state?.waiting) continue;
    const known = before.find(({ name }) => name === status.name)?.state?.terminated;
    if (isOver && !known) continue;
    status.state = { terminated: known ?? { ...unknownEnd } };
  }
}

/** Whether its init containers had succeeded, and its sidecars had started, before it was to end. */
function wasInitialized({ spec, status }: Pod): boolean {
  return (spec.initContainers ?? []).every((container) => {
    const before = status?.initContainerStatuses?.find(({ name }) => name === container.name);
    return isSidecar(container) ? before?.started : before?.state?.terminated?.exitCode === 0;
  });
}

function addAddresses(
  status: core.PodStatus,
  pod: Pod,
  observed: ObservedPod,
  hostIps: readonly string[],
): void {
  const old = pod.status ?? {};
  if (hostIps.length > 0) {
    status.hostIP = hostIps[0]!;
    status.hostIPs = hostIps.map((ip) => ({ ip }));
  }
  const sandbox = observed.sandboxes[0];
  const ips = pod.spec.hostNetwork ? [...hostIps] : (sandbox?.ips ?? []);
  if (ips.length > 0 && (sandbox || pod.spec.hostNetwork)) {
    status.podIP = ips[0]!;
    status.podIPs = ips.map((ip) => ({ ip }));
  } else if (old.podIP) {
    // The address of an ending pod stays in its status.
    status.podIP = old.podIP;
    status.podIPs = old.podIPs ?? [{ ip: old.podIP }];
  }
}

interface Statuses {
  initContainerStatuses: readonly core.ContainerStatus[];
  containerStatuses: readonly core.ContainerStatus[];
}

/** Upstream's rules for the phase; `ended`: nothing will start again. */
function computePhase(pod: Pod, statuses: Statuses, { ended }: { ended: boolean }): Phase {
  let pendingInit = 0;
  let failedInit = 0;
  let pendingSidecars = 0;
  for (const spec of pod.spec.initContainers ?? []) {
    const status = statuses.initContainerStatuses.find(({ name }) => name === spec.name);
    const lastExit = status?.state?.terminated ?? status?.lastState?.terminated;
    if (isSidecar(spec)) {
      if (!status?.started && !(status?.state?.waiting && status.lastState?.terminated)) pendingSidecars++;
    } else if (status?.state?.running || !lastExit) pendingInit++;
    else if (lastExit.exitCode !== 0) {
      if (ended || !willRestart(lastExit, () => initRestartsAfterExit(pod, spec, lastExit.exitCode)))
        return 'Failed';
      failedInit++;
    }
  }
  const counts = { running: 0, waiting: 0, stopped: 0, succeeded: 0, restarting: 0 };
  for (const spec of pod.spec.containers) {
    const status = statuses.containerStatuses.find(({ name }) => name === spec.name);
    const exit = status?.state?.terminated ?? (status?.state?.waiting && status.lastState?.terminated);
    if (status?.state?.running) counts.running++;
    else if (exit) {
      counts.stopped++;
      if (status?.state?.terminated && exit.exitCode === 0) counts.succeeded++;
      if (willRestart(exit, () => restartsAfterExit(pod, spec, exit.exitCode))) counts.restarting++;
    } else if (status?.state) counts.waiting++;
  }
  if (ended) {
    const initDone = pendingInit === 0 && failedInit === 0;
    const allSucceeded = counts.stopped === counts.succeeded && counts.stopped === pod.spec.containers.length;
    return initDone && allSucceeded ? 'Succeeded' : 'Failed';
  }
  const regularNeverRan = counts.running === 0 && counts.stopped === 0;
  if (pendingInit > 0 || failedInit > 0 || (pendingSidecars > 0 && regularNeverRan)) return 'Pending';
  if (counts.waiting > 0) return 'Pending';
  if (counts.running > 0) return 'Running';
  if (counts.stopped === 0) return 'Pending';
  if (counts.restarting > 0 || sidecarsRun(pod, statuses)) return 'Running';
  return counts.stopped === counts.succeeded ? 'Succeeded' : 'Failed';
}

/** A container that was removed for a restart of the whole pod restarts whatever its policy says. */
function willRestart(exit: core.ContainerStateTerminated, byPolicy: () => boolean): boolean {
  return exit.reason === restartingAllReason || byPolicy();
}

/** While sidecars still run, the pod has not ended although its containers have. */
function sidecarsRun(pod: Pod, statuses: Statuses): boolean {
  return (pod.spec.initContainers ?? []).some(
    (spec) =>
      isSidecar(spec) &&
      statuses.initContainerStatuses.find(({ name }) => name === spec.name)?.state?.running !== undefined,
  );
}

function computeConditions(
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
  const generation = pod.metadata.generation;
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
