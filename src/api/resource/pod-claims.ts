/** Which ResourceClaims a pod uses: those it names, and those that are made for it from templates. */
import { controllerOf } from '../meta.ts';
import type { Pod, ResourceClaim } from '../resources.gen.ts';

/** On a claim that was made for a pod: which of the pod's entries it is for. */
export const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name';
/** Keeps a claim that has devices from going while pods use it. */
export const claimFinalizer = 'resource.kubernetes.io/delete-protection';

export interface PodClaim {
  /** The pod's own name for it. */
  entry: string;
  /** Undefined: still to be made. Empty: the entry turned out to need no claim. */
  claimName: string | undefined;
  isMade: boolean;
}

export function podClaims({ spec, status }: Pod): PodClaim[] {
  return (spec?.resourceClaims ?? []).map(({ name, resourceClaimName }) => {
    if (resourceClaimName !== undefined) return { entry: name, claimName: resourceClaimName, isMade: false };
    const made = status?.resourceClaimStatuses?.find((one) => one.name === name);
    return { entry: name, claimName: made && (made.resourceClaimName ?? ''), isMade: true };
  });
}

export function isMadeFor(claim: ResourceClaim, pod: Pod): boolean {
  return controllerOf(claim)?.uid === pod.metadata.uid;
}

export function isReservedFor(claim: ResourceClaim, pod: Pod): boolean {
  return claim.status?.reservedFor?.some(({ uid }) => uid === pod.metadata.uid) ?? false;
}

/** Whether the devices of a claim provide an extended resource of the container, and not plugins of its node. */
export function isOfClaimedDevices({ status }: Pod, { name }: { name: string }, resource: string): boolean {
  const mappings = status?.extendedResourceClaimStatus?.requestMappings ?? [];
  return mappings.some(
    ({ containerName, resourceName }) => containerName === name && resourceName === resource,
  );
}
