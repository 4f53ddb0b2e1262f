/** Mirrors manually managed Endpoints into EndpointSlices, which is what proxies read. */
import { EndpointSlice, Endpoints, Service } from '../../api/resources.gen.ts';
import { lastAppliedAnnotation, serviceNameLabel } from '../../api/well-known.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { controllerReference } from '../adoption.ts';
import { hasSelector } from './endpoint-pods.ts';
import { ownSlices } from './endpointslice.ts';
import { noteSlices, sliceMirroringMetricsOf } from './endpointslice-metrics.ts';
import { applySlicePlan, managedByLabel, planSlices, type WantedSlices } from './endpointslice-plan.ts';

const manager = 'endpointslicemirroring-controller.k8s.io';
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';
/** The most addresses of one Endpoints object that are mirrored. */
const addressesMax = 1000;

export const endpointSliceMirroringController = defineController({
  name: 'endpoint_slice_mirroring',
  component: 'endpoint-slice-mirroring-controller',
  reconciles: Endpoints,
  metrics: (registry) => sliceMirroringMetricsOf(registry).services.clear(),
  watches: [
    watch(Service, ({ metadata }) => [`${metadata.namespace}/${metadata.name}`]),
    watch(EndpointSlice, ({ metadata }, old) => {
      const service = metadata.labels?.[serviceNameLabel];
      const isOwn = metadata.labels?.[managedByLabel] === manager;
      return old && isOwn && service ? [`${metadata.namespace}/${service}`] : [];
    }),
  ],
  async reconcile(key, cluster, signal) {
    const metrics = sliceMirroringMetricsOf(cluster.metrics);
    const startMs = cluster.clock.monotonic();
    const endpoints = cluster.get(Endpoints, key);
    const service = cluster.get(Service, key);
    const [namespace = '', name = ''] = key.split('/');
    const present = ownSlices(cluster.informer(EndpointSlice), namespace, name, manager);
    const isMirrored = endpoints && service && !hasSelector(service) && mayMirror(endpoints);
    if (!isMirrored) {
      metrics.services.delete(key);
      for (const slice of present) await cluster.delete(EndpointSlice, slice, signal);
      return;
    }
    const {
      [lastAppliedAnnotation]: _,
      [triggerAnnotation]: __,
      ...annotations
    } = endpoints.metadata.annotations ?? {};
    const wanted = mirror(endpoints);
    const skipped = countAddresses(endpoints) - countEndpoints(wanted);
    metrics.skipped.observe(skipped);
    if (skipped > 0) reportSkipped(cluster, endpoints, skipped);
    const plan = planSlices(present, wanted, {
      name,
      namespace,
      manager,
      labels: { ...endpoints.metadata.labels },
      annotations,
      owner: controllerReference({ type: Endpoints, object: endpoints }),
      keepsPlaceholder: false,
    });
    await applySlicePlan(cluster, plan, signal);
    noteSlices(metrics, key, { present, wanted, plan });
    metrics.duration.observe((cluster.clock.monotonic() - startMs) / 1000);
  },
});

function countAddresses({ subsets }: Endpoints): number {
  return (subsets ?? []).reduce(
    (sum, { addresses, notReadyAddresses }) =>
      sum + (addresses?.length ?? 0) + (notReadyAddresses?.length ?? 0),
    0,
  );
}

function countEndpoints(wanted: readonly WantedSlices[]): number {
  return wanted.flatMap(({ groups }) => groups).reduce((sum, { endpoints }) => sum + endpoints.length, 0);
}

function reportSkipped(cluster: ReconcileCluster, endpoints: Endpoints, skipped: number): void {
  const message = `A max of ${addressesMax} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`;
  cluster.event(targetOf(Endpoints, endpoints), 'Warning', 'TooManyAddressesToMirror', message);
}

function mayMirror({ metadata }: Endpoints): boolean {
  return metadata.labels?.[skipLabel] !== 'true' && metadata.annotations?.[leaderAnnotation] === undefined;
}

/** The subsets as endpoints of slices, by address family. */
function mirror(endpoints: Endpoints): WantedSlices[] {
  let left = addressesMax;
  const families = { IPv4: [], IPv6: [] } as Record<'IPv4' | 'IPv6', WantedSlices['groups'][number][]>;
  for (const subset of endpoints.subsets ?? []) {
    const ports = (subset.ports ?? []).map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({
      name,
      port,
      protocol,
      ...(appProtocol && { appProtocol }),
    }));
    const groups = { IPv4: { ports, endpoints: [] }, IPv6: { ports, endpoints: [] } } as Record<
      'IPv4' | 'IPv6',
      WantedSlices['groups'][number]
    >;
    const rows = [
      ...(subset.addresses ?? []).map((address) => ({ address, ready: true })),
      ...(subset.notReadyAddresses ?? []).map((address) => ({ address, ready: false })),
    ];
    for (const { address, ready } of rows) {
      if (left-- <= 0) break;
      const family = address.ip.includes(':') ? 'IPv6' : 'IPv4';
      groups[family].endpoints.push({
        addresses: [address.ip],
        conditions: { ready },
        ...(address.hostname && { hostname: address.hostname }),
        ...(address.nodeName && { nodeName: address.nodeName }),
        ...(address.targetRef && { targetRef: address.targetRef }),
      });
    }
    for (const family of ['IPv4', 'IPv6'] as const)
      if (groups[family].endpoints.length > 0) families[family].push(groups[family]);
  }
  return (['IPv4', 'IPv6'] as const)
    .filter((family) => families[family].length > 0)
    .map((addressType) => ({ addressType, groups: families[addressType] }));
}
