/** Which changes are worth another attempt for a pod that found no devices. */
import { isMadeFor, podClaims } from '../../api/resource/pod-claims.ts';
import type { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import type { ClusterEvent, RetryRule } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { isDeviceResource } from '../framework/resources.ts';

export const claimRetryRules: readonly RetryRule[] = [
  { resource: 'ResourceClaim', changes: ['add', 'update', 'delete'], helps: mayFree },
  { resource: 'ResourceSlice', changes: ['add', 'update', 'delete'] },
  { resource: 'DeviceTaintRule', changes: ['update', 'delete'] },
  { resource: 'DeviceClass', changes: ['add', 'update'] },
  { resource: 'TargetPod', changes: ['resourceClaims'] },
  // What was decided for a pod that could not be bound was never in the status of its claims.
  { resource: 'AssignedPod', changes: ['delete'], helps: (_, { old }) => gaveUpDevices(old as Pod) },
  { resource: 'Node', changes: ['add', 'allocatable', 'labels', 'taints'] },
];

/** One of the pod's claims has changed, or another claim may have given devices back. */
function mayFree({ pod, namespace }: PodInfo, { old, current }: ClusterEvent): boolean {
  const claim = (current ?? old) as ResourceClaim;
  if (claim.metadata.namespace === namespace) {
    const { name } = claim.metadata;
    if (isMadeFor(claim, pod) || podClaims(pod).some(({ claimName }) => claimName === name)) return true;
  }
  const before = (old as ResourceClaim | undefined)?.status?.allocation;
  return before !== undefined && !(current as ResourceClaim | undefined)?.status?.allocation;
}

function gaveUpDevices(pod: Pod): boolean {
  if (pod.spec?.nodeName) return false;
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return (
    podClaims(pod).length > 0 ||
    containers.some(({ resources }) => Object.keys(resources?.requests ?? {}).some(isDeviceResource))
  );
}
