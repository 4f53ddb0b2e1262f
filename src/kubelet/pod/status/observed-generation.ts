/** Which generation of a pod its status is about. */
import type { Pod } from '../../../api/resources.gen.ts';
import { mirrorPodAnnotation } from '../../../api/well-known.ts';

/** Whether the object represents a static pod. */
export function isMirror(pod: Pod): boolean {
  return pod.metadata.annotations?.[mirrorPodAnnotation] !== undefined;
}

/** None for a mirror: the node follows the manifest, not this object. */
export function observedGeneration(pod: Pod): number | undefined {
  return isMirror(pod) ? undefined : pod.metadata.generation;
}
