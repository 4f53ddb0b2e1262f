/** Which address of the pool a Service of type LoadBalancer has, and what it lets go. Decides; never acts. */
import type { Service } from '../../api/resources.gen.ts';
import { ipv4FromNumber, ipv4ToNumber, parseIPv4 } from '../../base/text/ipv4.ts';

/** Both ends are part of the pool. */
export interface AddressRange {
  first: string;
  last: string;
}

export type AddressPlan =
  | { address: string }
  /** Why no address can be given, for the user. */
  | { problem: string };

/** Upstream's finalizer: a service with an address stays until its controller has released the address. */
const cleanupFinalizer = 'service.kubernetes.io/load-balancer-cleanup';

/** A service keeps the address that it has. A requested address is given, or none is. */
export function planAddress(
  service: Service,
  others: Iterable<Service>,
  pool: readonly AddressRange[],
): AddressPlan {
  const taken = new Map<string, string>();
  for (const other of others) {
    if (other.metadata.uid === service.metadata.uid) continue;
    const address = heldBy(other);
    if (address) taken.set(address, `${other.metadata.namespace}/${other.metadata.name}`);
  }
  const asked = service.spec?.loadBalancerIP;
  if (asked) {
    if (!isInPool(asked, pool)) return { problem: `address ${asked} is not in the pool ${formatPool(pool)}` };
    const owner = taken.get(asked);
    return owner ? { problem: `address ${asked} is in use by service ${owner}` } : { address: asked };
  }
  const present = addressOf(service);
  if (present && isInPool(present, pool) && !taken.has(present)) return { address: present };
  for (const { first, last } of pool) {
    for (let number = ipv4ToNumber(first); number <= ipv4ToNumber(last); number++) {
      const address = ipv4FromNumber(number);
      if (!taken.has(address)) return { address };
    }
  }
  return { problem: `no address is left in the pool ${formatPool(pool)}` };
}

/** `a-b`, `a/len` or `a`, separated by commas or white space. @throws Error naming the part that is none of them */
export function parsePool(text: string): AddressRange[] {
  return text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((part) => {
      const [first = '', last = first] = part.split('-');
      const [base = '', length] = first.split('/');
      if ([base, last.split('/')[0]!].some((address) => parseIPv4(address) === undefined))
        throw new Error(`${part} is no range of IPv4 addresses`);
      if (length === undefined) return { first, last };
      const size = 2 ** (32 - Number(length));
      const start = Math.floor(ipv4ToNumber(base) / size) * size;
      if (!(Number(length) >= 8 && Number(length) <= 32))
        throw new Error(`${part} is no range of IPv4 addresses`);
      return { first: ipv4FromNumber(start), last: ipv4FromNumber(start + size - 1) };
    });
}

export function isHeld({ metadata }: Service): boolean {
  return metadata.finalizers?.includes(cleanupFinalizer) ?? false;
}

/** The address is shown, and the service stays until it is released. */
export function hasAddress(service: Service, address: string): boolean {
  return addressOf(service) === address && isHeld(service);
}

export function withAddress(service: Service, address: string): Service {
  const loadBalancer = { ingress: [{ ip: address, ipMode: 'VIP' }] };
  const metadata = { ...service.metadata, finalizers: [...otherFinalizers(service), cleanupFinalizer] };
  return { ...service, metadata, status: { ...service.status, loadBalancer } };
}

/**
 * What is left of a service that is to have no address, because it goes or is no longer ours; undefined when it has
 * nothing to let go. A status may outlive the type.
 */
export function planRelease(service: Service): Service | undefined {
  const isLeftOver = service.spec?.type !== 'LoadBalancer' && addressOf(service) !== undefined;
  if (!isHeld(service) && (!isLeftOver || service.metadata.deletionTimestamp)) return undefined;
  return {
    ...service,
    ...(isLeftOver && { status: { ...service.status, loadBalancer: {} } }),
    ...(isHeld(service) && { metadata: { ...service.metadata, finalizers: otherFinalizers(service) } }),
  };
}

function otherFinalizers({ metadata }: Service): string[] {
  return (metadata.finalizers ?? []).filter((name) => name !== cleanupFinalizer);
}

/** Whether the change frees an address; a deleted service is passed as its own predecessor. */
export function letsGo(service: Service, old: Service | undefined): boolean {
  const before = old && heldBy(old);
  return before !== undefined && (service === old || heldBy(service) !== before);
}

/**
 * The address that nobody else may have. Of a service that is no longer ours it is that until it was released: it may be
 * ours again before that.
 */
function heldBy(service: Service): string | undefined {
  return isOurs(service) || isHeld(service) ? addressOf(service) : undefined;
}

/** A class means that another implementation is responsible. */
export function isOurs({ spec }: Service): boolean {
  return spec?.type === 'LoadBalancer' && !spec.loadBalancerClass;
}

export function addressOf(service: Service): string | undefined {
  return service.status?.loadBalancer?.ingress?.[0]?.ip;
}

function isInPool(address: string, pool: readonly AddressRange[]): boolean {
  const number = parseIPv4(address);
  if (number === undefined) return false;
  return pool.some(({ first, last }) => ipv4ToNumber(first) <= number && number <= ipv4ToNumber(last));
}

function formatPool(pool: readonly AddressRange[]): string {
  return pool.length === 0 ? '(empty)' : pool.map(({ first, last }) => `${first}-${last}`).join(', ');
}
