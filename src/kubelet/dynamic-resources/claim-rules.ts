/**
 * Whether a pod may have its claims prepared, and which of them its containers see. Pure; the wording is upstream's.
 */
import { isMadeFor, isReservedFor, podClaims } from '../../api/resource/pod-claims.ts';
import type { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { ClaimRecord } from './claim-records.ts';
import type { PreparedDevice } from './driver-messages.ts';

export interface NamedClaim {
  /** The claim's name within the pod; undefined for the claim of its extended resources. */
  entry: string | undefined;
  claimName: string;
  /** Created for the pod, which must own it. */
  isMade: boolean;
}

/**
 * The claims of a pod, without entries that turned out to need none. @throws Error for a claim that was not created yet
 */
export function namedClaims(pod: Pod): NamedClaim[] {
  const { namespace, name } = pod.metadata;
  if (podClaims(pod).some(({ claimName }) => claimName === undefined))
    throw new Error(`pod "${namespace}/${name}": ResourceClaim not created yet`);
  return madeClaims(pod);
}

/** Those that exist. */
export function madeClaims(pod: Pod): NamedClaim[] {
  const made = podClaims(pod).flatMap(({ entry, claimName, isMade }) =>
    claimName ? [{ entry, claimName, isMade }] : [],
  );
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  return extended ? [...made, { entry: undefined, claimName: extended, isMade: false }] : made;
}

/** Undefined: it may be prepared for the pod. `isMade`: it was created for this pod. */
export function whyNotPrepared(
  pod: Pod,
  claim: ResourceClaim,
  { isMade }: { isMade: boolean },
): string | undefined {
  const { namespace, name, uid } = claim.metadata;
  const { metadata: owner } = pod;
  if (isMade && !isMadeFor(claim, pod))
    return `ResourceClaim ${namespace}/${name} was not created for Pod ${owner.namespace}/${owner.name} (Pod is not owner)`;
  if (!isReservedFor(claim, pod))
    return `pod ${owner.name} (${owner.uid}) is not allowed to use ResourceClaim ${name} (${uid})`;
  if (!claim.status?.allocation) return `ResourceClaim ${name}: not allocated`;
  return undefined;
}

/** Each driver once, in the order of the allocation. */
export function driversOf({ status }: ResourceClaim): string[] {
  return [...new Set(status?.allocation?.devices?.results?.map(({ driver }) => driver))];
}

/** What a container asks for: requests by claim name; an empty name stands for all requests of the claim. */
export function requestsOf(pod: Pod, container: core.Container): Map<string, string[]> {
  const asked = new Map<string, string[]>();
  const add = (claimName: string, request: string) =>
    asked.set(claimName, [...(asked.get(claimName) ?? []), request]);
  const named = container.resources?.claims?.length ? namedClaims(pod) : [];
  for (const { name, request = '' } of container.resources?.claims ?? []) {
    const claim = named.find(({ entry }) => entry === name);
    if (claim) add(claim.claimName, request);
  }
  const extended = pod.status?.extendedResourceClaimStatus;
  for (const { containerName, resourceName, requestName } of extended?.requestMappings ?? [])
    if (containerName === container.name && container.resources?.requests?.[resourceName] !== undefined)
      add(extended!.resourceClaimName, requestName);
  return asked;
}

/** Whether the container sees any of the claim's devices. */
export function usesClaim({ status }: Pod, container: core.Container, { entry }: NamedClaim): boolean {
  if (entry !== undefined) return container.resources?.claims?.some(({ name }) => name === entry) ?? false;
  const mappings = status?.extendedResourceClaimStatus?.requestMappings ?? [];
  return mappings.some(({ containerName }) => containerName === container.name);
}

/** By driver; without a request all of them. */
export function* devicesFor({ devices }: ClaimRecord, request = ''): Iterable<[string, PreparedDevice]> {
  for (const [driver, all] of Object.entries(devices))
    for (const device of all) {
      const { requestNames } = device;
      if (request === '' || requestNames.length === 0 || requestNames.includes(request))
        yield [driver, device];
    }
}
