/** The number of a container's next start. */
import type * as core from '../../api/types/core-v1.gen.ts';
import type { ObservedContainer } from '../pod/pod-observation.ts';

/**
 * `known`: what was last reported of the pod. A runtime may forget (its storage was wiped, or a restart of the whole
 * pod removed everything).
 */
export function nextRestartCount(
  containerName: string,
  last: Pick<ObservedContainer, 'restartCount'> | undefined,
  { containerStatuses = [], initContainerStatuses = [] }: core.PodStatus,
): number {
  if (last) return last.restartCount + 1;
  const before = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === containerName);
  if (!before) return 0;
  return before.containerID ? before.restartCount + 1 : before.restartCount;
}
