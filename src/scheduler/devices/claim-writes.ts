/** What the scheduler writes about claims: allocations, the pods that use them, and claims for extended resources. */
import { claimFinalizer, isReservedFor } from '../../api/resource/pod-claims.ts';
import { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import { isNotFound, StatusError } from '../../api/status.ts';
import type { AllocationResult } from '../../api/types/resource-v1.gen.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { Client } from '../../client/client.ts';
import { draftOf, type ExtendedClaim } from './extended-need.ts';

export interface Reservation {
  claim: ResourceClaim;
  allocation: AllocationResult | undefined;
  pod: Pod;
}

/** The finalizer goes first: a claim with devices must not vanish before they are given back. */
export async function reserveClaim(
  client: Client,
  { claim, allocation, pod }: Reservation,
  signal: AbortSignal,
): Promise<ResourceClaim> {
  let current = claim;
  const { finalizers = [] } = claim.metadata;
  const isAllocated = claim.status?.allocation !== undefined;
  if (allocation && !isAllocated && !finalizers.includes(claimFinalizer)) {
    const metadata = { ...claim.metadata, finalizers: [...finalizers, claimFinalizer] };
    current = await client.update(ResourceClaim, { ...claim, metadata }, { signal });
  }
  if (isAllocated && isReservedFor(claim, pod)) return current;
  const { name, uid } = pod.metadata;
  const reservedFor = [...(claim.status?.reservedFor ?? []), { resource: 'pods', name, uid }];
  const status = { ...claim.status, ...(allocation && { allocation }), reservedFor };
  return await client.update(ResourceClaim, { ...current, status }, { subresource: 'status', signal });
}

/** The server refuses this when the claim has changed meanwhile: another pod may have come to use it. */
export async function deallocate(client: Client, claim: ResourceClaim, signal: AbortSignal): Promise<void> {
  const { allocation: _, reservedFor: __, devices: ___, ...status } = claim.status ?? {};
  await client.update(ResourceClaim, { ...claim, status }, { subresource: 'status', signal });
}

export async function createExtendedClaim(
  client: Client,
  { claim }: ExtendedClaim,
  signal: AbortSignal,
): Promise<ResourceClaim> {
  try {
    return await client.create(ResourceClaim, draftOf(claim), { signal });
  } catch (error) {
    const { namespace, name } = claim.metadata;
    throw new Error(`create claim for extended resources ${namespace}/${name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Tells the node which devices each container of the pod gets. */
export async function reportExtendedClaim(
  client: Client,
  pod: Pod,
  { claim, mappings }: ExtendedClaim,
  signal: AbortSignal,
): Promise<void> {
  const extendedResourceClaimStatus = { requestMappings: mappings, resourceClaimName: claim.metadata.name };
  const patch = { metadata: { uid: pod.metadata.uid }, status: { extendedResourceClaimStatus } };
  const { name, namespace = '' } = pod.metadata;
  await client.patch(Pod, { name, namespace }, patch, { type: 'strategic', subresource: 'status', signal });
}

/** Tries against others who write the same claim. */
const triesMax = 5;

/** Also while it has devices: nothing uses them. */
export async function deleteClaim(
  client: Client,
  { metadata: { name, namespace = '', uid } }: ResourceClaim,
  signal: AbortSignal,
): Promise<void> {
  const at = { name, namespace };
  try {
    for (let tries = 1; ; tries++) {
      const claim = await client.get(ResourceClaim, at, signal);
      if (claim.metadata.uid !== uid) return;
      const finalizers = claim.metadata.finalizers?.filter((each) => each !== claimFinalizer) ?? [];
      try {
        await client.update(
          ResourceClaim,
          { ...claim, metadata: { ...claim.metadata, finalizers } },
          { signal },
        );
        break;
      } catch (error) {
        if (!(error instanceof StatusError && error.reason === 'Conflict') || tries === triesMax) throw error;
      }
    }
    await client.delete(ResourceClaim, at, { preconditions: { uid }, signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
