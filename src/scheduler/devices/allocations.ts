/** The allocations of claims: those in their status, and those decided on that the status does not show yet. */
import type { ResourceClaim } from '../../api/resources.gen.ts';
import type { AllocationResult } from '../../api/types/resource-v1.gen.ts';
import type { Informer } from '../../client/informers/informer.ts';

export class Allocations {
  readonly #claims: Informer<ResourceClaim>;
  /** By the claim's uid; also for claims that are still to be created. */
  readonly #decided = new Map<string, AllocationResult>();

  constructor(claims: Informer<ResourceClaim>) {
    this.#claims = claims;
    const settle = (claim: ResourceClaim) => {
      if (claim.status?.allocation) this.withdraw(claim);
    };
    claims.handle({ added: settle, updated: settle, deleted: (claim) => this.withdraw(claim) });
  }

  of({ metadata, status }: ResourceClaim): AllocationResult | undefined {
    return status?.allocation ?? this.#decided.get(metadata.uid);
  }

  *all(): Generator<AllocationResult> {
    for (const { status } of this.#claims.list()) if (status?.allocation) yield status.allocation;
    yield* this.#decided.values();
  }

  decide({ metadata }: ResourceClaim, allocation: AllocationResult): void {
    this.#decided.set(metadata.uid, allocation);
  }

  /** The decision no longer counts: it was not carried out, or is in the status by now. */
  withdraw({ metadata }: ResourceClaim): void {
    this.#decided.delete(metadata.uid);
  }
}
