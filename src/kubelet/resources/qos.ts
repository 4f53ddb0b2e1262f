/** The quality-of-service class of a pod, and what follows from it for the kernel's OOM killer. */

import { isMirror } from '../../api/core/pod/mirror.ts';
import { computeQosClass, type QosClass } from '../../api/core/pod/qos.ts';
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import { computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import { wholeValueOf } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';

/** The class set by the API server, which stays for the pod's life, or the one that follows from its spec. */
export function qosClassOf(pod: Pod): QosClass {
  return pod.status?.qosClass ?? computeQosClass(pod.spec);
}

/** Upstream's lowest priority of a pod without which the cluster does not work. */
const criticalPriority = 2_000_000_000;
/** Its pods are spared like guaranteed ones: a node does not work without them. */
const nodeCriticalClass = 'system-node-critical';

export function isCriticalPod(pod: Pod): boolean {
  return (
    pod.metadata.annotations?.['kubernetes.io/config.source'] === 'file' ||
    isMirror(pod) ||
    (pod.spec.priority ?? 0) >= criticalPriority
  );
}

const guaranteedScore = -997;
const bestEffortScore = 1000;

/** Upstream's score: the more a container may use beyond its requests, the sooner it is killed. */
export function oomScoreAdjust(pod: Pod, container: core.Container, memoryCapacityBytes: number): number {
  if (isCriticalPod(pod) && pod.spec.priorityClassName === nodeCriticalClass) return guaranteedScore;
  const qosClass = qosClassOf(pod);
  if (qosClass === 'Guaranteed') return guaranteedScore;
  if (qosClass === 'BestEffort') return bestEffortScore;
  const requestBytes = sparedBytes(pod, container) + unassignedBytes(pod);
  const score = 1000 - Math.trunc((1000 * requestBytes) / memoryCapacityBytes);
  // Worse off than any guaranteed container, better off than any that asked for nothing.
  return Math.min(bestEffortScore - 1, Math.max(1000 + guaranteedScore, score));
}

/** A sidecar outlives each container that it serves. */
function sparedBytes(pod: Pod, container: core.Container): number {
  const own = memoryRequestOf(container.resources);
  const servesOthers =
    isSidecar(container) && pod.spec.initContainers?.some(({ name }) => name === container.name);
  if (!servesOthers) return own;
  return Math.max(own, Math.min(...pod.spec.containers.map(({ resources }) => memoryRequestOf(resources))));
}

/** What the pod requests beyond its containers is theirs in equal parts. */
function unassignedBytes(pod: Pod): number {
  const ofPod = memoryRequestOf(pod.spec.resources);
  if (ofPod === 0) return 0;
  const { resources: _, overhead: __, ...spec } = pod.spec;
  const ofContainers = computePodRequests({ ...pod, spec }, numericAmounts).get('memory') ?? 0;
  const { containers, initContainers = [] } = spec;
  return Math.trunc((ofPod - ofContainers) / (containers.length + initContainers.length));
}

function memoryRequestOf(resources: core.ResourceRequirements | undefined): number {
  return wholeValueOf(resources?.requests?.memory ?? '0');
}
