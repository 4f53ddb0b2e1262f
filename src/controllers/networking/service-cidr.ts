/** Marks ServiceCIDRs ready, and protects them from deletion while services use their addresses. */
import { IPAddress, ServiceCIDR } from '../../api/resources.gen.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { overlapping, planServiceCidr, rangesOf } from './service-cidr-plan.ts';

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
    let range = cluster.get(ServiceCIDR, name);
    if (!range) return undefined;
    const ranges = [...cluster.informer(ServiceCIDR).list()];
    const addresses = cluster.informer(IPAddress).list();
    const plan = planServiceCidr(range, ranges, addresses, cluster.clock.now());
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
