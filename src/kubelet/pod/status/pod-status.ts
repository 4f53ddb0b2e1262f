/** The status of a pod as the node sees it: phase, conditions, addresses, containers. Pure. */
import { isMirror } from '../../../api/core/pod/mirror.ts';
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
import { askersForRestartOfAll } from '../../containers/restart-policy.ts';
import { qosClassOf } from '../../resources/qos.ts';
import type { ObservedPod } from '../pod-observation.ts';
import { observedGeneration } from './observed-generation.ts';
import { computeConditions } from './pod-conditions.ts';
import { computePhase, isTerminalPhase, type Phase } from './pod-phase.ts';

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

export function computePodStatus(pod: Pod, observed: ObservedPod, inputs: PodStatusInputs): core.PodStatus {
  const old = pod.status ?? {};
  const statuses = computeContainerStatuses(pod, observed, inputs);
  // A static pod that is removed has not failed: it may be put back, and would then never be seen to run again.
  let phase = computePhase(pod, statuses, { ended: inputs.ended && !isMirror(pod) });
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
  const generation = observedGeneration(pod);
  if (generation !== undefined) status.observedGeneration = generation;
  if (observed.sandboxes.length === 0 && !old.containerStatuses?.length) {
    // An earlier agent may have refused it: it stays as it is.
    if (isTerminalPhase(old.phase)) return { ...refusedStatus(status), conditions: old.conditions ?? [] };
    if (verdict) return refusedStatus(status);
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
