/**
 * Gives every Service of type LoadBalancer an address from the cluster's pool; the nodes answer for it (src/network).
 */
import { ConfigMap, Service } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import {
  type AddressRange,
  hasAddress,
  isHeld,
  isOurs,
  letsGo,
  parsePool,
  planAddress,
  planRelease,
  withAddress,
} from './load-balancer-plan.ts';

/** A ConfigMap whose `addresses` replace the pool that the cluster was started with. */
const poolNamespace = 'kube-system';
const poolName = 'load-balancer';
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
      // A service may be waiting for an address that becomes free, or for another pool: also one whose own address is of
      // an earlier pool.
      watch(Service, (service, old, informers) =>
        letsGo(service, old) ? keysOf(informers.of(Service).list()) : [],
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
      const planFor = (services: Iterable<Service>) =>
        'problem' in pool ? pool : planAddress(service, asWritten(services, written), pool.ranges);
      const cached = planFor(cluster.informer(Service).list());
      if ('address' in cached && hasAddress(service, cached.address)) return;
      // The cache may not show yet what an earlier run of this controller gave.
      const plan = planFor((await cluster.client.list(Service, {}, signal)).items);
      if ('problem' in plan) {
        const message = `Error syncing load balancer: failed to ensure load balancer: ${plan.problem}`;
        cluster.event(targetOf(Service, service), 'Warning', 'SyncLoadBalancerFailed', message);
        return;
      }
      if (hasAddress(service, plan.address)) return;
      await assign(service, plan.address, { written, cluster, signal });
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

interface Assigning {
  written: WrittenServices;
  cluster: ReconcileCluster;
  signal: AbortSignal;
}

async function assign(
  service: Service,
  address: string,
  { written, cluster, signal }: Assigning,
): Promise<void> {
  cluster.event(targetOf(Service, service), 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer');
  const { uid, resourceVersion } = service.metadata;
  const wanted = withAddress(service, address);
  // If the answer is lost, the next version in the cache shows whether the service was written.
  written.set(uid, { service: wanted, shownFrom: Number(resourceVersion) + 1 });
  try {
    const assigned = await cluster.writeStatus(Service, wanted, signal);
    written.set(uid, { service: assigned, shownFrom: Number(assigned.metadata.resourceVersion) });
  } catch (error) {
    if (error instanceof StatusError) written.delete(uid);
    throw error;
  }
  cluster.event(targetOf(Service, service), 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer');
}

/** By uid, services as last written, and the first version in the cache that shows what became of it. */
type WrittenServices = Map<string, { service: Service; shownFrom: number }>;

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
    if (!newer || Number(resourceVersion) >= newer.shownFrom) return service;
    written.set(uid, newer);
    return newer.service;
  });
}

/** For a service that is being deleted or is no longer ours. */
async function release(service: Service, cluster: ReconcileCluster, signal: AbortSignal): Promise<void> {
  const released = planRelease(service);
  if (!released) return;
  const tell = (reason: string, message: string) =>
    cluster.event(targetOf(Service, service), 'Normal', reason, message);
  if (isHeld(service)) tell('DeletingLoadBalancer', 'Deleting load balancer');
  await cluster.writeStatus(Service, released, signal);
  if (isHeld(service)) tell('DeletedLoadBalancer', 'Deleted load balancer');
}

function keysOf(services: Iterable<Service>): string[] {
  return [...services].filter(isOurs).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}
