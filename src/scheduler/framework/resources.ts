/**
 * Amounts of resources in the form in which the scheduler computes: plain numbers in fixed fields, the rest by name.
 */
import { classResourcePrefix } from '../../api/resource/extended-resources.ts';

/** cpu in thousandths, everything else in whole units. Extended resources and huge pages are `scalar`. */
export interface Resources {
  milliCpu: number;
  memory: number;
  ephemeralStorage: number;
  /** Undefined when there are none: the usual case, and faster than an empty map. */
  scalar: Map<string, number> | undefined;
}

export function noResources(): Resources {
  return { milliCpu: 0, memory: 0, ephemeralStorage: 0, scalar: undefined };
}

/** From amounts as {@link computePodRequests} gives them; `pods` is not a resource that pods request. */
export function resourcesFrom(amounts: Iterable<readonly [string, number]>): Resources {
  const resources = noResources();
  for (const [name, amount] of amounts) {
    if (name === 'cpu') resources.milliCpu = amount;
    else if (name === 'memory') resources.memory = amount;
    else if (name === 'ephemeral-storage') resources.ephemeralStorage = amount;
    else if (name !== 'pods' && isScalarResource(name)) {
      resources.scalar ??= new Map();
      resources.scalar.set(name, amount);
    }
  }
  return resources;
}

/** Extended resources, huge pages, attachable volumes and what Kubernetes names with its domain: counted by name. */
function isScalarResource(name: string): boolean {
  return (
    isExtendedResource(name) ||
    name.startsWith('hugepages-') ||
    name.startsWith('attachable-volumes-') ||
    name.includes('kubernetes.io/')
  );
}

/** One that a device class may provide. */
export function isDeviceResource(name: string): boolean {
  return isExtendedResource(name) || name.startsWith(classResourcePrefix);
}

/** A resource with a domain that is not Kubernetes' own, e.g. `example.org/myresource`. */
export function isExtendedResource(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.');
}

/** Adds `times` (1 or -1) the other's amounts. */
export function addResources(total: Resources, other: Resources, times: 1 | -1): void {
  total.milliCpu += times * other.milliCpu;
  total.memory += times * other.memory;
  total.ephemeralStorage += times * other.ephemeralStorage;
  if (!other.scalar) return;
  total.scalar ??= new Map();
  for (const [name, amount] of other.scalar)
    total.scalar.set(name, (total.scalar.get(name) ?? 0) + times * amount);
}

export function cloneResources(resources: Resources): Resources {
  return { ...resources, scalar: resources.scalar && new Map(resources.scalar) };
}

/** Whether there is less of any resource. */
export function isLessOfAny(after: Resources, before: Resources): boolean {
  if (after === before) return false;
  for (const name of ['cpu', 'memory', 'ephemeral-storage', ...(before.scalar?.keys() ?? [])])
    if (amountOf(after, name) < amountOf(before, name)) return true;
  return false;
}

/** The amount of a resource by its name. */
export function amountOf(resources: Resources, name: string): number {
  switch (name) {
    case 'cpu':
      return resources.milliCpu;
    case 'memory':
      return resources.memory;
    case 'ephemeral-storage':
      return resources.ephemeralStorage;
    default:
      return resources.scalar?.get(name) ?? 0;
  }
}
