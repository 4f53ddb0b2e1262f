/** Which generation of a pod its status is about. */
import { isMirror } from '../../../api/core/pod/mirror.ts';
import type { Pod } from '../../../api/resources.gen.ts';

/** None for a mirror: the node follows the manifest, not this object. */
export function observedGeneration(pod: Pod): number | undefined {
  return isMirror(pod) ? undefined : pod.metadata.generation;
}
