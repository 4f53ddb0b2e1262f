/** Mirrors manually managed Endpoints into EndpointSlices, which is what proxies read. */
import { EndpointSlice, Endpoints, Service } from '../../api/resources.gen.ts';
import { serviceNameLabel, sliceManagerLabel } from '../../api/well-known.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { noteSlices, sliceMirroringMetricsOf } from './endpoints/endpointslice-metrics.ts';
import { planSlices } from './endpoints/endpointslice-plan.ts';
import { applySlicePlan } from './endpoints/endpointslice-writes.ts';
import {
  addressesMax,
  isMirrored,
  mirror,
  mirrorIdentity,
  mirrorManager,
  tooManyMessage,
} from './endpoints/mirrored-endpoints.ts';
import { ownSlices } from './endpointslice.ts';

export const endpointSliceMirroringController = defineController({
  name: 'endpoint_slice_mirroring',
  component: 'endpoint-slice-mirroring-controller',
  reconciles: Endpoints,
  metrics: (registry) => sliceMirroringMetricsOf(registry).services.clear(),
  watches: [
    watch(Service, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`]),
    watch(EndpointSlice, ({ metadata }, old) => {
      const service = metadata.labels?.[serviceNameLabel];
      const isOwn = metadata.labels?.[sliceManagerLabel] === mirrorManager;
      return old && isOwn && service ? [`${metadata.namespace}/${service}`] : [];
    }),
  ],
  async reconcile(key, cluster, signal) {
    const metrics = sliceMirroringMetricsOf(cluster.metrics);
    const startMs = cluster.clock.monotonic();
    const endpoints = cluster.get(Endpoints, key);
    const service = cluster.get(Service, key);
    const [namespace = '', name = ''] = key.split('/');
    const present = ownSlices(cluster.informer(EndpointSlice), namespace, name, mirrorManager);
    if (!endpoints || !isMirrored(endpoints, service)) {
      metrics.services.delete(key);
      for (const slice of present) await cluster.delete(EndpointSlice, slice, signal);
      return;
    }
    const { wanted, skipped } = mirror(endpoints);
    metrics.skipped.observe(skipped);
    if (skipped > 0)
      cluster.event(
        targetOf(Endpoints, endpoints),
        'Warning',
        'TooManyAddressesToMirror',
        tooManyMessage(skipped),
      );
    const plan = planSlices(present, wanted, mirrorIdentity(endpoints));
    // Slices of Endpoints that are gone, though the cache does not know, would be collected and made again without end.
    if (plan.create.length > 0 && !(await cluster.stays(endpoints, signal))) return;
    await applySlicePlan(cluster, plan, signal);
    noteSlices(metrics, key, { present, wanted, plan, sliceMax: addressesMax });
    metrics.duration.observe((cluster.clock.monotonic() - startMs) / 1000);
  },
});
