/** What the scheduler writes about claims: allocations, the pods that use them, and claims for extended resources. */
import { claimFinalizer, isReservedFor } from '../../api/resource/pod-claims.ts';
import { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import { isConflict, isNotFound } from '../../api/status.ts';
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

/** The pod does not use the claim after all. Without another user it gives its devices back. */
export async function releaseClaim(
  client: Client,
  claim: ResourceClaim,
  pod: Pod,
  signal: AbortSignal,
): Promise<void> {
  await changeClaim(client, claim, signal, async (current) => {
    const { reservedFor = [], ...status } = current.status ?? {};
    const others = reservedFor.filter(({ uid }) => uid !== pod.metadata.uid);
    if (others.length === 0) return await deallocate(client, current, signal);
    const next = { ...current, status: { ...status, reservedFor: others } };
    await client.update(ResourceClaim, next, { subresource: 'status', signal });
  });
}

/** Also while it has devices: nothing uses them. */
export async function deleteClaim(client: Client, claim: ResourceClaim, signal: AbortSignal): Promise<void> {
  await changeClaim(client, claim, signal, async ({ metadata, ...rest }) => {
    const finalizers = metadata.finalizers?.filter((each) => each !== claimFinalizer) ?? [];
    await client.update(ResourceClaim, { ...rest, metadata: { ...metadata, finalizers } }, { signal });
    const { uid, name, namespace = '' } = metadata;
    await client.delete(ResourceClaim, { name, namespace }, { preconditions: { uid }, signal });
  });
}

/** Tries against others who write the same claim. */
const triesMax = 5;

/** Nothing is to be done about a claim that is gone. */
async function changeClaim(
  client: Client,
  { metadata: { name, namespace = '', uid } }: ResourceClaim,
  signal: AbortSignal,
  change: (current: ResourceClaim) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      const current = await client.get(ResourceClaim, { name, namespace }, signal);
      if (current.metadata.uid === uid) await change(current);
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error) || tries === triesMax) throw error;
    }
}
