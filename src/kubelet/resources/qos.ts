/** The quality-of-service class of a pod, and what follows from it for the kernel's OOM killer. */
import { computeQosClass, type QosClass } from '../../api/core/pod/qos.ts';
import { wholeValueOf } from '../../api/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { mirrorPodAnnotation } from '../../api/well-known.ts';

/** The class set by the API server, which stays for the pod's life, or the one that follows from its spec. */
export function qosClassOf(pod: Pod): QosClass {
  return pod.status?.qosClass ?? computeQosClass(pod.spec);
}

/** Pods whose priority makes them critical to the node are spared like guaranteed ones. */
const criticalPriority = 2_000_000_000;

export function isCriticalPod(pod: Pod): boolean {
  return (
    pod.metadata.annotations?.['kubernetes.io/config.source'] === 'file' ||
    pod.metadata.annotations?.[mirrorPodAnnotation] !== undefined ||
    (pod.spec.priority ?? 0) >= criticalPriority
  );
}

/** Upstream's score: the more a container may use beyond its requests, the sooner it is killed. */
export function oomScoreAdjust(pod: Pod, container: core.Container, memoryCapacityBytes: number): number {
  if (isCriticalPod(pod)) return -997;
  switch (qosClassOf(pod)) {
    case 'Guaranteed':
      return -997;
    case 'BestEffort':
      return 1000;
    default: {
      const requestBytes = wholeValueOf(container.resources?.requests?.memory ?? '0');
      const score = 1000 - Math.floor((1000 * requestBytes) / memoryCapacityBytes);
      if (score < 3) return 3;
      return score === 1000 ? 999 : score;
    }
  }
}
