/**
 * Gives every Service of type LoadBalancer an address from the cluster's pool; the nodes answer for it (src/network).
 */
import { ConfigMap, Service } from '../../api/resources.gen.ts';
import { ipv4FromNumber, ipv4ToNumber, parseIPv4 } from '../../base/text/ipv4.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';

/** Both ends are part of the pool. */
export interface AddressRange {
  first: string;
  last: string;
}

export type AddressPlan =
  | { address: string }
  /** Why no address can be given, for the user. */
  | { problem: string };

/** A ConfigMap whose `addresses` replace the pool that the cluster was started with. */
const poolNamespace = 'kube-system';
const poolName = 'load-balancer';
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
    if (other.metadata.uid === service.metadata.uid || !isOurs(other)) continue;
    const address = addressOf(other);
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

export function loadBalancerController(defaultPool: readonly AddressRange[]): AnyController {
  const written: WrittenServices = new Map();
  return defineController({
    name: 'service',
    component: 'service-controller',
    reconciles: Service,
    // One at a time: two services must not be given the same address.
    concurrency: 1,
    concerns: (service: Service, old: Service | undefined) =>
      isOurs(service) || isHeld(service) || (old !== undefined && isOurs(old)),
    watches: [
      // A waiting service may be waiting for an address that becomes free, or for another pool.
      watch(Service, (service, old, informers) =>
        letsGo(service, old) ? waiting(informers.of(Service).list()) : [],
      ),
      watch(ConfigMap, ({ metadata }, _old, informers) =>
        metadata.name === poolName && metadata.namespace === poolNamespace
          ? keysOf(informers.of(Service).list())
          : [],
      ),
    ],
    async reconcile(key, cluster, signal) {
      const service = cluster.get(Service, key);
      if (!service) return;
      if (service.metadata.deletionTimestamp || !isOurs(service)) {
        await release(service, cluster, signal);
        return;
      }
      const pool = poolOf(cluster, defaultPool);
      const plan =
        'problem' in pool
          ? pool
          : planAddress(service, asWritten(cluster.informer(Service).list(), written), pool.ranges);
      if ('problem' in plan) {
        const message = `Error syncing load balancer: failed to ensure load balancer: ${plan.problem}`;
        cluster.event(targetOf(Service, service), 'Warning', 'SyncLoadBalancerFailed', message);
        return;
      }
      if (plan.address === addressOf(service) && isHeld(service)) return;
      written.set(service.metadata.uid, await assign(service, plan.address, cluster, signal));
    },
  });
}

function poolOf(
  cluster: ReconcileCluster,
  defaultPool: readonly AddressRange[],
): { ranges: readonly AddressRange[] } | { problem: string } {
  const text = cluster.get(ConfigMap, `${poolNamespace}/${poolName}`)?.data?.addresses;
  try {
    return { ranges: text === undefined ? defaultPool : parsePool(text) };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

/** Returns the service as written. */
async function assign(
  service: Service,
  address: string,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<Service> {
  cluster.event(targetOf(Service, service), 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer');
  const loadBalancer = { ingress: [{ ip: address, ipMode: 'VIP' }] };
  const finalizers = [...otherFinalizers(service), cleanupFinalizer];
  const metadata = { ...service.metadata, finalizers };
  const status = { ...service.status, loadBalancer };
  const assigned = await cluster.writeStatus(Service, { ...service, metadata, status }, signal);
  cluster.event(targetOf(Service, service), 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer');
  return assigned;
}

/** By uid, services as last written, which the cache may not show yet. */
type WrittenServices = Map<string, Service>;

/**
 * The next service must not be given an address that was assigned a moment ago. Entries that the cache has caught up
 * with are dropped.
 */
function asWritten(listed: Iterable<Service>, written: WrittenServices): Service[] {
  const unseen = new Map(written);
  written.clear();
  return [...listed].map((service) => {
    const { uid, resourceVersion } = service.metadata;
    const newer = unseen.get(uid);
    if (!newer || Number(newer.metadata.resourceVersion) <= Number(resourceVersion)) return service;
    written.set(uid, newer);
    return newer;
  });
}

/** For a service that is being deleted or is no longer ours. A status may outlive the type. */
async function release(service: Service, cluster: ReconcileCluster, signal: AbortSignal): Promise<void> {
  const { deletionTimestamp } = service.metadata;
  const isLeftOver = service.spec?.type !== 'LoadBalancer' && addressOf(service) !== undefined;
  if (!isHeld(service)) {
    if (isLeftOver && !deletionTimestamp)
      await cluster.updateStatus(Service, service, { ...service.status, loadBalancer: {} }, signal);
    return;
  }
  cluster.event(targetOf(Service, service), 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer');
  const metadata = { ...service.metadata, finalizers: otherFinalizers(service) };
  const status = isLeftOver ? { ...service.status, loadBalancer: {} } : service.status;
  await cluster.writeStatus(Service, { ...service, metadata, ...(status && { status }) }, signal);
  cluster.event(targetOf(Service, service), 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer');
}

function isHeld({ metadata }: Service): boolean {
  return metadata.finalizers?.includes(cleanupFinalizer) ?? false;
}

function otherFinalizers({ metadata }: Service): string[] {
  return (metadata.finalizers ?? []).filter((name) => name !== cleanupFinalizer);
}

/** Whether the change frees an address; a deleted service is passed as its own predecessor. */
export function letsGo(service: Service, old: Service | undefined): boolean {
  const before = old && held(old);
  return before !== undefined && (service === old || held(service) !== before);
}

/** A status may outlive the type for a moment. */
function held(service: Service): string | undefined {
  return isOurs(service) ? addressOf(service) : undefined;
}

/** A class means that another implementation is responsible. */
function isOurs({ spec }: Service): boolean {
  return spec?.type === 'LoadBalancer' && !spec.loadBalancerClass;
}

function addressOf(service: Service): string | undefined {
  return service.status?.loadBalancer?.ingress?.[0]?.ip;
}

function waiting(services: Iterable<Service>): string[] {
  return keysOf([...services].filter((service) => isOurs(service) && !addressOf(service)));
}

function keysOf(services: Iterable<Service>): string[] {
  return [...services].filter(isOurs).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

function isInPool(address: string, pool: readonly AddressRange[]): boolean {
  const number = parseIPv4(address);
  if (number === undefined) return false;
  return pool.some(({ first, last }) => ipv4ToNumber(first) <= number && number <= ipv4ToNumber(last));
}

function formatPool(pool: readonly AddressRange[]): string {
  return pool.length === 0 ? '(empty)' : pool.map(({ first, last }) => `${first}-${last}`).join(', ');
}
