/** Marks ServiceCIDRs ready, and protects them from deletion while services use their addresses. */
import { IPAddress, ServiceCIDR } from '../../api/resources.gen.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { overlapping, planServiceCidr, rangesOf, type ServiceCidrPlan } from './service-cidr-plan.ts';

export const serviceCidrController = defineController({
  name: 'ipaddresses',
  component: 'service-cidr-controller',
  reconciles: ServiceCIDR,
  watches: [
    watch(ServiceCIDR, (range, old, informers) =>
      old && old !== range ? [] : overlapping(range, informers.of(ServiceCIDR).list()),
    ),
    watch(IPAddress, (address, _, informers) =>
      rangesOf(address, informers.of(ServiceCIDR).list()).map(({ metadata }) => metadata.name),
    ),
  ],
  async reconcile(name, cluster, signal) {
    const cached = cluster.get(ServiceCIDR, name);
    if (!cached) return undefined;
    const ranges = [...cluster.informer(ServiceCIDR).list()];
    const addresses = cluster.informer(IPAddress).list();
    const seen = { range: cached, plan: planServiceCidr(cached, ranges, addresses, cluster.clock.now()) };
    const isLettingGo = cached.metadata.deletionTimestamp && seen.plan.finalizers;
    const current = isLettingGo ? await askServer(cached, cluster, signal) : seen;
    if (!current) return undefined;
    const { plan } = current;
    let { range } = current;
    if (plan.finalizers) {
      const metadata = { ...range.metadata, finalizers: plan.finalizers };
      range = await cluster.update(ServiceCIDR, { ...range, metadata }, signal);
    }
    if (plan.conditions)
      try {
        await cluster.updateStatus(ServiceCIDR, range, { conditions: plan.conditions }, signal);
      } catch (error) {
        const text = 'The ServiceCIDR Status can not be set to Ready=True';
        if (!range.metadata.deletionTimestamp)
          cluster.event(targetOf(ServiceCIDR, range), 'Warning', 'KubernetesServiceCIDRError', text);
        throw error;
      }
    return plan.requeueAfterMs === undefined ? undefined : { requeueAfterMs: plan.requeueAfterMs };
  },
});

/** The caches may still have a range that is gone, or lack an address. Undefined when this range is gone. */
async function askServer(
  { metadata: { uid } }: ServiceCIDR,
  { client, clock }: ReconcileCluster,
  signal: AbortSignal,
): Promise<{ range: ServiceCIDR; plan: ServiceCidrPlan } | undefined> {
  const { items: ranges } = await client.list(ServiceCIDR, {}, signal);
  const { items: addresses } = await client.list(IPAddress, {}, signal);
  const range = ranges.find(({ metadata }) => metadata.uid === uid);
  return range && { range, plan: planServiceCidr(range, ranges, addresses, clock.now()) };
}
