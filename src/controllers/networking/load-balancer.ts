/**
 * Gives every Service of type LoadBalancer an address from the cluster's pool; the nodes answer for it (src/network).
 */
import { ConfigMap, Service } from '../../api/resources.gen.ts';
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
        'problem' in pool ? pool : planAddress(service, services, pool.ranges);
      const cached = planFor(cluster.informer(Service).list());
      if ('address' in cached && hasAddress(service, cached.address)) return;
      // The cache may not show yet what was given a moment ago, or by an earlier run of this controller.
      const plan = planFor((await cluster.client.list(Service, {}, signal)).items);
      if ('problem' in plan) {
        const message = `Error syncing load balancer: failed to ensure load balancer: ${plan.problem}`;
        cluster.event(targetOf(Service, service), 'Warning', 'SyncLoadBalancerFailed', message);
        return;
      }
      if (hasAddress(service, plan.address)) return;
      await assign(service, plan.address, cluster, signal);
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

async function assign(
  service: Service,
  address: string,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  cluster.event(targetOf(Service, service), 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer');
  await cluster.writeStatus(Service, withAddress(service, address), signal);
  cluster.event(targetOf(Service, service), 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer');
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
