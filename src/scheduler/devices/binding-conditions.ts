/**
 * Devices that their driver prepares only once a pod has been given them: a claim is ready when all conditions of its
 * devices are true, and lost when one that tells of a failure is. Pure; the wording is upstream's.
 */
import type { ResourceClaim } from '../../api/resources.gen.ts';
import type { DeviceRequestAllocationResult } from '../../api/types/resource-v1.gen.ts';

export type Readiness = 'ready' | 'waiting' | { failure: string };

/** Of a claim that has devices. */
export function readinessOf(claim: ResourceClaim): Readiness {
  const results = devicesToPrepare(claim);
  for (const result of results)
    for (const type of result.bindingFailureConditions ?? []) {
      const condition = conditionsOf(claim, result).find((each) => each.type === type);
      if (condition?.status !== 'True') continue;
      const { reason, message } = condition;
      const { name } = claim.metadata;
      return {
        failure: `device binding failed: claim=${name}, reason=${reason}, message=${JSON.stringify(message)}`,
      };
    }
  return results.every((result) => isReady(claim, result)) ? 'ready' : 'waiting';
}

/** Since when the driver has known of the allocation decides, whichever pods came to wait for it meanwhile. */
export function overdueAtMs(claim: ResourceClaim, timeoutMs: number): number {
  const since = claim.status?.allocation?.allocationTimestamp;
  if (since === undefined || devicesToPrepare(claim).length === 0) return Number.POSITIVE_INFINITY;
  return Date.parse(since) + timeoutMs;
}

/** Waiting for it is in vain: its devices are to be given back. */
export function isLost(claim: ResourceClaim, { nowMs, timeoutMs }: { nowMs: number; timeoutMs: number }) {
  if (!claim.status?.allocation) return false;
  const readiness = readinessOf(claim);
  if (readiness === 'waiting') return overdueAtMs(claim, timeoutMs) < nowMs;
  return readiness !== 'ready';
}

export function hasConditions(claim: ResourceClaim): boolean {
  return devicesToPrepare(claim).length > 0;
}

export function devicesToPrepare({ status }: ResourceClaim): DeviceRequestAllocationResult[] {
  const results = status?.allocation?.devices?.results ?? [];
  return results.filter(({ bindingConditions }) => bindingConditions?.length);
}

function isReady(claim: ResourceClaim, result: DeviceRequestAllocationResult): boolean {
  const conditions = conditionsOf(claim, result);
  return result.bindingConditions!.every((type) =>
    conditions.some((each) => each.type === type && each.status === 'True'),
  );
}

function conditionsOf({ status }: ResourceClaim, { driver, pool, device }: DeviceRequestAllocationResult) {
  const reported = status?.devices?.find(
    (each) => each.driver === driver && each.pool === pool && each.device === device,
  );
  return reported?.conditions ?? [];
}
