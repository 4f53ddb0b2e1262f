/**
 * How a ResourceClaim counts against a ResourceQuota: its devices by class, and as the extended resources that these
 * provide, so that a quota of a resource cannot be passed by claiming the devices.
 */
import { controllerOf } from '../meta.ts';
import { classesByResource, classResourcePrefix, isExtendedClaim } from '../resource/extended-resources.ts';
import { isMadeFor } from '../resource/pod-claims.ts';
import type { DeviceClass, Pod, ResourceClaim } from '../resources.gen.ts';
import type * as dynamicResources from '../types/resource-v1.gen.ts';
import { isExtendedResource } from '../validation/resources.ts';
import { computePodRequests, exactAmounts } from './pod-resources.ts';
import { addQuantities, parseQuantity, type Quantity, subtractQuantities, zeroQuantity } from './quantity.ts';

/** What the use of a claim depends on besides itself. */
export interface ClaimSurroundings {
  classes(): Iterable<DeviceClass>;
  pod(namespace: string, name: string): Pod | undefined;
  claims(namespace: string): Iterable<ResourceClaim>;
}

/** Devices of a class: `gold.deviceclass.resource.k8s.io/devices`. */
export const devicesSuffix = '.deviceclass.resource.k8s.io/devices';
/** What a request for all devices of a class may get. */
const devicesMax = 32n;
const requestsPrefix = 'requests.';

/** Whether a quota's limit concerns claims. */
export function concernsClaims(hardName: string): boolean {
  return hardName.endsWith(devicesSuffix) || isDeviceResourceLimit(hardName);
}

/** Of an extended resource that a class may provide; such names concern pods as well. */
function isDeviceResourceLimit(hardName: string): boolean {
  if (!hardName.startsWith(requestsPrefix)) return false;
  const resource = hardName.slice(requestsPrefix.length);
  return resource.startsWith(classResourcePrefix) || isExtendedResource(resource);
}

export function addClaimUsage(
  usage: Map<string, Quantity>,
  claim: ResourceClaim,
  surroundings: ClaimSurroundings | undefined,
): void {
  const devices = devicesByClass(claim);
  for (const [className, amount] of devices) usage.set(className + devicesSuffix, amount);
  if (!surroundings || devices.size === 0) return;
  const counted = countedWithPod(claim, surroundings);
  for (const [resource, { metadata }] of classesByResource(surroundings.classes())) {
    const amount = devices.get(metadata.name);
    if (!amount) continue;
    const more = subtractQuantities(amount, counted.get(resource) ?? zeroQuantity);
    if (more.nanos > 0n) usage.set(requestsPrefix + resource, more);
  }
}

type DeviceAsk = Pick<dynamicResources.DeviceSubRequest, 'deviceClassName' | 'allocationMode' | 'count'>;

/** Among alternatives, each class counts with the one that requests most of it. */
function devicesByClass({ spec }: ResourceClaim): Map<string, Quantity> {
  const devices = new Map<string, Quantity>();
  for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
    const asks: DeviceAsk[] = firstAvailable?.length ? firstAvailable : exactly ? [exactly] : [];
    const most = new Map<string, bigint>();
    for (const { deviceClassName, allocationMode, count } of asks) {
      const wanted = allocationMode === 'All' ? devicesMax : BigInt(count ?? 1);
      if (wanted > (most.get(deviceClassName) ?? 0n)) most.set(deviceClassName, wanted);
    }
    for (const [className, wanted] of most)
      devices.set(
        className,
        addQuantities(devices.get(className) ?? zeroQuantity, parseQuantity(String(wanted))),
      );
  }
  return devices;
}

/** What the pod for whose extended resources the claim was made counts with already. */
function countedWithPod(
  claim: ResourceClaim,
  { pod: podOf, claims }: ClaimSurroundings,
): ReadonlyMap<string, Quantity> {
  const { namespace = '', name } = claim.metadata;
  const owner = controllerOf(claim);
  const pod =
    isExtendedClaim(claim) && owner?.kind === 'Pod' && owner.apiVersion === 'v1'
      ? podOf(namespace, owner.name)
      : undefined;
  if (!pod || !isMadeFor(claim, pod) || isEnded(pod)) return new Map();
  const told = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  // A pod has one such claim: a second that says so of itself is not the scheduler's.
  const isIt = told
    ? told === name
    : ![...claims(namespace)].some(
        (other) => isExtendedClaim(other) && isMadeFor(other, pod) && isBefore(other, claim),
      );
  return isIt ? computePodRequests(pod, exactAmounts) : new Map();
}

/** A claim that is just being created comes after all others. */
function isBefore({ metadata: one }: ResourceClaim, { metadata: other }: ResourceClaim): boolean {
  if (one.uid === other.uid) return false;
  const [oneMs, otherMs] = [Date.parse(one.creationTimestamp), Date.parse(other.creationTimestamp)];
  if (oneMs === otherMs) return one.name < other.name;
  return Number.isNaN(otherMs) || oneMs < otherMs;
}

/** Its containers will not run again: it uses nothing any longer. */
export function isEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
}
