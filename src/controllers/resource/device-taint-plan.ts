/** When a pod has to go because of NoExecute taints on devices that its claims were given, and which rules are to blame. */
import { isSelectedBy, toleratesDeviceTaint } from '../../api/resource/device-taints.ts';
import { isMadeFor, isReservedFor, podClaims } from '../../api/resource/pod-claims.ts';
import type { DeviceTaintRule, Pod, ResourceClaim, ResourceSlice } from '../../api/resources.gen.ts';
import type { Device, DeviceRequestAllocationResult, DeviceTaint } from '../../api/types/resource-v1.gen.ts';

/** What the decision looks at. */
export interface TaintedWorld {
  claim(key: string): ResourceClaim | undefined;
  /** The slices of a pool, of any generation. */
  slicesOf(driver: string, pool: string): Iterable<ResourceSlice>;
  rules: readonly DeviceTaintRule[];
}

export interface DeviceEviction {
  dueMs: number;
  /** Those whose taint is one of the reasons. */
  rules: ReadonlySet<DeviceTaintRule>;
}

/** Undefined: the pod may stay. */
export function planDeviceEviction(pod: Pod, world: TaintedWorld): DeviceEviction | undefined {
  if (!pod.spec?.nodeName) return undefined;
  let dueMs = Number.POSITIVE_INFINITY;
  const rules = new Set<DeviceTaintRule>();
  for (const claim of allocatedClaims(pod, world))
    for (const result of claim.status?.allocation?.devices?.results ?? [])
      for (const { taint, rule } of taintsOn(result, world)) {
        const delayMs = toleratedMs(taint, result);
        if (delayMs === Number.POSITIVE_INFINITY) continue;
        // The server gives every taint a time.
        dueMs = Math.min(dueMs, Date.parse(taint.timeAdded!) + delayMs);
        if (rule) rules.add(rule);
      }
  return dueMs === Number.POSITIVE_INFINITY ? undefined : { dueMs, rules };
}

/** Claims that the pod may use: another pod may have had the same name, and its claim be still there. */
function* allocatedClaims(pod: Pod, world: TaintedWorld): Iterable<ResourceClaim> {
  for (const { claimName, isMade } of podClaims(pod)) {
    const claim = claimName ? world.claim(`${pod.metadata.namespace}/${claimName}`) : undefined;
    if (!claim?.status?.allocation) continue;
    if ((!isMade || isMadeFor(claim, pod)) && isReservedFor(claim, pod)) yield claim;
  }
}

interface FoundTaint {
  taint: DeviceTaint;
  /** Undefined: the driver's. */
  rule?: DeviceTaintRule;
}

function* taintsOn(result: DeviceRequestAllocationResult, world: TaintedWorld): Iterable<FoundTaint> {
  const { driver, pool, device } = result;
  const evicts = ({ effect }: DeviceTaint) => effect === 'NoExecute';
  for (const offered of newestDevices(world.slicesOf(driver, pool)))
    if (offered.name === device) for (const taint of (offered.taints ?? []).filter(evicts)) yield { taint };
  // A rule also taints devices that are no longer published.
  for (const rule of world.rules)
    if (evicts(rule.spec.taint) && isSelectedBy(rule, result)) yield { taint: rule.spec.taint, rule };
}

/** The devices of a pool's newest generation, whether or not all of its slices are there. */
export function newestDevices(slices: Iterable<ResourceSlice>): Device[] {
  let newest: ResourceSlice[] = [];
  for (const slice of slices) {
    // Compared by operators that also take the bigints that large generations are.
    const known = newest[0]?.spec.pool.generation;
    if (known === undefined || slice.spec.pool.generation > known) newest = [slice];
    else if (slice.spec.pool.generation === known) newest.push(slice);
  }
  return newest.flatMap(({ spec }) => spec.devices ?? []);
}

/**
 * How long the allocation puts up with the taint: the shortest of the tolerations that have a limit, unless one has
 * none. Only tolerations that name the effect count; one that leaves it open does for the scheduler alone.
 */
function toleratedMs(taint: DeviceTaint, { tolerations = [] }: DeviceRequestAllocationResult): number {
  const matching = tolerations.filter(
    (toleration) => toleration.effect === 'NoExecute' && toleratesDeviceTaint(toleration, taint),
  );
  // Whole numbers of 64 bits may be bigints.
  const limits = matching.map(({ tolerationSeconds }) =>
    Number(tolerationSeconds ?? Number.POSITIVE_INFINITY),
  );
  if (limits.length === 0) return 0;
  if (limits.includes(Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
  return Math.max(0, Math.min(...limits)) * 1000;
}
