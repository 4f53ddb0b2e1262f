/**
 * What becomes of a ServiceCIDR: protected and ready, or waiting until it is not the only range of any service's
 * address.
 */

import { findCondition, withCondition } from '../../api/conditions.ts';
import { managedByLabel, serviceAllocator } from '../../api/networking/ip-address.ts';
import type { IPAddress, ServiceCIDR } from '../../api/resources.gen.ts';
import {
  type AddressRange,
  parseAddress,
  parseRange,
  rangeContains,
} from '../../api/validation/addresses.ts';

const serviceCidrFinalizer = 'networking.k8s.io/service-cidr-finalizer';
type Conditions = NonNullable<NonNullable<ServiceCIDR['status']>['conditions']>;
type Verdict = Omit<Conditions[number], 'lastTransitionTime'>;

/** How long API servers that have not seen the deletion may still hand out addresses. */
const deletionGraceMs = 10_000;

const ready: Verdict = {
  type: 'Ready',
  status: 'True',
  reason: '',
  message: 'Kubernetes Service CIDR is ready',
};
const inUse: Verdict = {
  type: 'Ready',
  status: 'False',
  reason: 'Terminating',
  message:
    'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
};

export interface ServiceCidrPlan {
  /** To be written, if present. */
  finalizers?: string[];
  conditions?: Conditions;
  requeueAfterMs?: number;
}

/** `ranges`: all ServiceCIDRs, including this one. */
export function planServiceCidr(
  own: ServiceCIDR,
  ranges: readonly ServiceCIDR[],
  addresses: Iterable<IPAddress>,
  nowMs: number,
): ServiceCidrPlan {
  const { finalizers = [], deletionTimestamp } = own.metadata;
  const isProtected = finalizers.includes(serviceCidrFinalizer);
  const setReady = (condition: Verdict): ServiceCidrPlan => {
    const found = findCondition(own.status?.conditions, 'Ready');
    if (found?.status === condition.status && found.message === condition.message) return {};
    const lastTransitionTime = new Date(nowMs).toISOString();
    const next = { ...condition, lastTransitionTime };
    return { conditions: withCondition(own.status?.conditions, next, lastTransitionTime) };
  };
  if (!deletionTimestamp)
    return { ...setReady(ready), ...(!isProtected && { finalizers: [...finalizers, serviceCidrFinalizer] }) };
  if (!isProtected) return {};
  const others = ranges.filter((other) => outlasts(other, own));
  if (!isSpare(own, others) && holdsAddresses(own, others, addresses)) return setReady(inUse);
  const waitMs = Date.parse(deletionTimestamp) + deletionGraceMs - nowMs;
  if (waitMs > 0) return { requeueAfterMs: waitMs };
  return { finalizers: finalizers.filter((name) => name !== serviceCidrFinalizer) };
}

/** The names of those that contain `range` or lie within it. */
export function overlapping(own: ServiceCIDR, ranges: Iterable<ServiceCIDR>): string[] {
  const prefixes = prefixesOf(own);
  return [...ranges]
    .filter((other) =>
      prefixesOf(other).some((theirs) =>
        prefixes.some((mine) => contains(theirs, mine) || contains(mine, theirs)),
      ),
    )
    .map(({ metadata }) => metadata.name);
}

/** The ranges from which an address was, or may have been, allocated; none for addresses not managed here. */
export function rangesOf(address: IPAddress, ranges: Iterable<ServiceCIDR>): ServiceCIDR[] {
  const bytes = isOfServices(address) ? parseAddress(address.metadata.name) : undefined;
  if (!bytes) return [];
  return [...ranges].filter((range) => prefixesOf(range).some((prefix) => canHandOut(prefix, bytes)));
}

/**
 * Whether `other` may be counted on when `own` goes. Of two that are being deleted the smaller one goes first, or each
 * would go because there is the other, and an address in both would be left without a range.
 */
function outlasts(other: ServiceCIDR, own: ServiceCIDR): boolean {
  if (other.metadata.name === own.metadata.name) return false;
  if (!other.metadata.deletionTimestamp) return true;
  const bits = ({ spec }: ServiceCIDR) => parseRange(spec?.cidrs?.[0] ?? '')?.prefixLength ?? 0;
  return bits(other) < bits(own) || (bits(other) === bits(own) && other.metadata.name > own.metadata.name);
}

/** Whether other ranges cover all of this one. */
function isSpare(own: ServiceCIDR, others: readonly ServiceCIDR[]): boolean {
  const prefixes = others.flatMap(prefixesOf);
  return prefixesOf(own).every((prefix) => prefixes.some((other) => contains(other, prefix)));
}

/** Whether there is an address in it and in none of the others. */
function holdsAddresses(
  own: ServiceCIDR,
  others: readonly ServiceCIDR[],
  addresses: Iterable<IPAddress>,
): boolean {
  for (const address of addresses)
    if (rangesOf(address, [own]).length > 0 && rangesOf(address, others).length === 0) return true;
  return false;
}

function isOfServices({ metadata }: IPAddress): boolean {
  return metadata.labels?.[managedByLabel] === serviceAllocator;
}

function prefixesOf({ spec }: ServiceCIDR): AddressRange[] {
  return (spec?.cidrs ?? []).map(parseRange).filter((range) => range !== undefined);
}

function contains(outer: AddressRange, inner: AddressRange): boolean {
  return outer.prefixLength <= inner.prefixLength && rangeContains(outer, inner.bytes);
}

/** Excludes the network's own address, and the broadcast address of an IPv4 network. */
function canHandOut(range: AddressRange, address: Uint8Array): boolean {
  if (!rangeContains(range, address)) return false;
  const hostBits = (wanted: 0 | 1) => {
    for (let bit = range.prefixLength; bit < address.length * 8; bit++)
      if (((address[bit >> 3]! >> (7 - (bit & 7))) & 1) !== wanted) return false;
    return true;
  };
  return !hostBits(0) && !(address.length === 4 && hostBits(1));
}
