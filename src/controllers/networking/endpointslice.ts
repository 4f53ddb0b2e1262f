/** EndpointSlices: a Service's addresses, in slices of at most 100. */
import { keyOf } from '../../api/meta.ts';
import { EndpointSlice, Node, Pod, Service } from '../../api/resources.gen.ts';
import type * as discovery from '../../api/types/discovery-v1.gen.ts';
import { headlessServiceLabel, serviceNameLabel } from '../../api/well-known.ts';
import {
  type AnyController,
  defineController,
  quietMsFor,
  watch,
} from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { controllerReference } from '../adoption.ts';
import { isPodReady } from '../pod-state.ts';
import {
  addressablePods,
  addressOf,
  concernsEndpoints,
  findPort,
  hasSelector,
  servicesOf,
} from './endpoint-pods.ts';
import { TriggerTimes, triggerTimeAnnotation } from './endpoint-trigger-time.ts';
import { endpointSliceMetricsOf, noteSlices } from './endpointslice-metrics.ts';
import {
  applySlicePlan,
  managedByLabel,
  planSlices,
  type SlicePlan,
  type WantedSlices,
} from './endpointslice-plan.ts';
import {
  computeZoneShares,
  isSharedByCapacity,
  planHints,
  type ZoneShares,
  zoneOf,
} from './topology-hints.ts';

const manager = 'endpointslice-controller.k8s.io';

export function endpointSliceController(): AnyController {
  const triggerTimes = new TriggerTimes();
  return defineController({
    name: 'endpoint_slice',
    component: 'endpoint-slice-controller',
    reconciles: Service,
    metrics: (registry) => endpointSliceMetricsOf(registry).services.clear(),
    watches: [
      watch(Node, (node, old, informers) => servicesConcernedByNode(informers.of(Service).list(), node, old)),
      watch(Pod, (pod, old, informers) =>
        old && old !== pod && !concernsEndpoints(pod, old) ? [] : servicesOf(informers.of(Service), pod, old),
      ),
      watch(EndpointSlice, ({ metadata }, old) => {
        const service = metadata.labels?.[serviceNameLabel];
        return old && service ? [`${metadata.namespace}/${service}`] : [];
      }),
    ],
    async reconcile(key, cluster, signal) {
      const service = cluster.get(Service, key);
      // Slices of a deleted Service are its dependents: the garbage collector removes them.
      const metrics = endpointSliceMetricsOf(cluster.metrics);
      if (
        !service ||
        service.metadata.deletionTimestamp ||
        !hasSelector(service) ||
        service.spec?.type === 'ExternalName'
      ) {
        triggerTimes.forget(key);
        metrics.services.delete(key);
        return;
      }
      const { name, namespace } = service.metadata;
      const pods = addressablePods(cluster.informer(Pod).inNamespace(namespace!), service.spec!.selector!);
      // A slice that is being deleted does not count, even while a finalizer keeps it.
      const present = ownSlices(cluster.informer(EndpointSlice), namespace!, name, manager).filter(
        ({ metadata }) => !metadata.deletionTimestamp,
      );
      const wanted = wantedSlices(service, pods, cluster);
      if (isSharedByCapacity(service)) reportHints(cluster, service, present, wanted);
      const owner = controllerReference({ type: Service, object: service });
      const identity = { name, namespace: namespace!, manager, labels: labelsOfSlices(service), owner };
      const plan = planSlices(present, wanted, identity);
      stampTriggerTime(plan, triggerTimes.next(key, service, pods));
      try {
        await applySlicePlan(cluster, plan, signal, (act, why) => {
          const forService = `for Service ${namespace}/${name}`;
          const message = `Error updating Endpoint Slices ${forService}: failed to ${act} ${forService}: ${why}`;
          cluster.event(targetOf(Service, service), 'Warning', 'FailedToUpdateEndpointSlices', message);
        });
      } catch (error) {
        metrics.syncs.add(1, { result: 'error' });
        throw error;
      }
      noteSlices(metrics, key, { present, wanted, plan });
      metrics.syncs.add(1, { result: 'success' });
      return { quietMs: quietMsFor(pods.length) };
    },
  });
}

/** One group of endpoints for each address family of the Service. */
function wantedSlices(
  service: Service,
  pods: readonly Pod[],
  cluster: Pick<ReconcileCluster, 'get' | 'informer'>,
): WantedSlices[] {
  const zoneOfNode = (node: string | undefined) => (node ? zoneOf(cluster.get(Node, node)) : undefined);
  const families = (service.spec?.ipFamilies ?? ['IPv4']) as ('IPv4' | 'IPv6')[];
  const shares = isSharedByCapacity(service) ? computeZoneShares(cluster.informer(Node).list()) : undefined;
  return families.map((family) =>
    withHints(service, computeEndpoints(service, pods, family, zoneOfNode), shares),
  );
}

function labelsOfSlices({ metadata, spec }: Service): Record<string, string> {
  const { [headlessServiceLabel]: _, ...labels } = metadata.labels ?? {};
  return spec?.clusterIP === 'None' ? { ...labels, [headlessServiceLabel]: '' } : labels;
}

export function ownSlices(
  slices: {
    inNamespace(namespace: string): Iterable<EndpointSlice>;
    addIndex(name: string, values: typeof byService): void;
    byIndex(name: string, value: string): Iterable<EndpointSlice>;
  },
  namespace: string,
  service: string,
  managedBy: string,
): EndpointSlice[] {
  slices.addIndex('service', byService);
  return [...slices.byIndex('service', `${managedBy} ${namespace}/${service}`)];
}

function byService({ metadata }: EndpointSlice): readonly string[] {
  const service = metadata.labels?.[serviceNameLabel];
  const managedBy = metadata.labels?.[managedByLabel];
  return service ? [`${managedBy} ${metadata.namespace}/${service}`] : [];
}

/** A write carries the time of the change that caused it, and no time when there was no such change. */
function stampTriggerTime(plan: SlicePlan, time: string | undefined): void {
  for (const { metadata } of [...plan.create, ...plan.update]) {
    const { [triggerTimeAnnotation]: _, ...others } = metadata.annotations ?? {};
    metadata.annotations = { ...others, ...(time && { [triggerTimeAnnotation]: time }) };
  }
}

/**
 * Shares by capacity follow the ready nodes. A node that moves to another zone takes its endpoints along, for services
 * of any kind.
 */
function servicesConcernedByNode(services: Iterable<Service>, node: Node, old: Node | undefined): string[] {
  const isKnown = old !== undefined && old !== node;
  const isMoved = isKnown && zoneOf(node) !== zoneOf(old);
  const facts = ({ metadata, status }: Node) =>
    JSON.stringify([
      metadata.labels,
      status?.allocatable?.cpu,
      status?.conditions?.find(({ type }) => type === 'Ready')?.status,
    ]);
  if (isKnown && facts(node) === facts(old)) return [];
  return [...services]
    .filter((service) => hasSelector(service) && (isMoved || isSharedByCapacity(service)))
    .map(keyOf);
}

/** Across all endpoints of the family, whatever their ports. */
function withHints(
  service: Service,
  wanted: WantedSlices,
  shares: ZoneShares | undefined,
): WantedSlices & { problem?: string } {
  const { endpoints, problem } = planHints(
    service,
    wanted.groups.flatMap((group) => group.endpoints),
    shares,
  );
  const rest = [...endpoints];
  const groups = wanted.groups.map((group) => ({
    ...group,
    endpoints: rest.splice(0, group.endpoints.length),
  }));
  return { ...wanted, groups, ...(problem && { problem }) };
}

function reportHints(
  cluster: ReconcileCluster,
  service: Service,
  present: readonly EndpointSlice[],
  wanted: readonly (WantedSlices & { problem?: string })[],
): void {
  for (const { addressType, problem } of wanted) {
    const text = `addressType: ${addressType}`;
    const hadHints = present.some(
      (slice) => slice.addressType === addressType && slice.endpoints?.some(({ hints }) => hints),
    );
    if (problem)
      cluster.event(
        targetOf(Service, service),
        'Warning',
        'TopologyAwareHintsDisabled',
        `${problem}, ${text}`,
      );
    else if (!hadHints)
      cluster.event(
        targetOf(Service, service),
        'Normal',
        'TopologyAwareHintsEnabled',
        `Topology Aware Hints has been enabled, ${text}`,
      );
  }
}

/** The endpoints of one address family, grouped by the ports that they have. */
function computeEndpoints(
  service: Service,
  pods: readonly Pod[],
  family: 'IPv4' | 'IPv6',
  zoneOfNode: (node: string | undefined) => string | undefined,
): WantedSlices {
  const groups = new Map<string, { ports: discovery.EndpointPort[]; endpoints: discovery.Endpoint[] }>();
  for (const pod of pods) {
    const ip = addressOf(pod, family);
    if (!ip) continue;
    const ports = portsFor(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(toEndpoint(service, pod, ip, zoneOfNode));
  }
  return { addressType: family, groups: [...groups.values()] };
}

function toEndpoint(
  service: Service,
  pod: Pod,
  ip: string,
  zoneOfNode: (node: string | undefined) => string | undefined,
): discovery.Endpoint {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata;
  const { hostname, subdomain, nodeName } = pod.spec ?? {};
  const serving = isPodReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const ready = Boolean(service.spec?.publishNotReadyAddresses) || (serving && !terminating);
  const zone = zoneOfNode(nodeName);
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hostname && subdomain === service.metadata.name && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(zone && { zone }),
  };
}

function portsFor(service: Service, pod: Pod): discovery.EndpointPort[] {
  const ports: discovery.EndpointPort[] = [];
  for (const { name = '', port, targetPort, protocol = 'TCP', appProtocol } of service.spec!.ports ?? []) {
    const number = findPort(pod, targetPort, port, protocol);
    if (number === undefined) continue;
    ports.push({ name, port: number, protocol, ...(appProtocol && { appProtocol }) });
  }
  return ports;
}
