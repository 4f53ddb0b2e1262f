/** EndpointSlices: a Service's addresses, in slices of at most 100. */
import { keyOf } from '../../api/meta.ts';
import { EndpointSlice, Node, Pod, Service } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { serviceNameLabel, sliceManagerLabel } from '../../api/well-known.ts';
import {
  type AnyController,
  defineController,
  quietMsFor,
  type ReconcileOutcome,
  watch,
} from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { controllerReference } from '../adoption.ts';
import { addressablePods, concernsEndpoints, hasSelector, servicesOf } from './endpoints/endpoint-pods.ts';
import { TriggerTimes } from './endpoints/endpoint-trigger-time.ts';
import { endpointSliceMetricsOf, noteSlices } from './endpoints/endpointslice-metrics.ts';
import { planSlices, type SlicePlan } from './endpoints/endpointslice-plan.ts';
import { applySlicePlan } from './endpoints/endpointslice-writes.ts';
import {
  labelsOfSlices,
  planHintEvents,
  wantedSlices,
  withTriggerTime,
} from './endpoints/service-endpoints.ts';
import { isSharedByCapacity, zoneOf } from './endpoints/topology-hints.ts';

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
      if (service && hasSlices(service)) return await syncSlices(service, triggerTimes, cluster, signal);
      // Slices of a deleted Service are its dependents: the garbage collector removes them.
      triggerTimes.forget(key);
      endpointSliceMetricsOf(cluster.metrics).services.delete(key);
      return undefined;
    },
  });
}

function hasSlices(service: Service): boolean {
  const { metadata, spec } = service;
  return !metadata.deletionTimestamp && hasSelector(service) && spec?.type !== 'ExternalName';
}

async function syncSlices(
  service: Service,
  triggerTimes: TriggerTimes,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<ReconcileOutcome | undefined> {
  const { name, namespace = '' } = service.metadata;
  const key = keyOf(service);
  const pods = addressablePods(cluster.informer(Pod).inNamespace(namespace), service.spec!.selector!);
  // A slice that is being deleted does not count, even while a finalizer keeps it.
  const present = ownSlices(cluster.informer(EndpointSlice), namespace, name, manager).filter(
    ({ metadata }) => !metadata.deletionTimestamp,
  );
  const wanted = wantedSlices(service, pods, {
    zoneOfNode: (node) => zoneOf(cluster.get(Node, node)),
    nodes: () => cluster.informer(Node).list(),
  });
  for (const { type, reason, message } of planHintEvents(service, present, wanted))
    cluster.event(targetOf(Service, service), type, reason, message);
  const owner = controllerReference({ type: Service, object: service });
  const identity = { name, namespace, manager, labels: labelsOfSlices(service), owner };
  const plan = planSlices(present, wanted, identity);
  // Slices of a Service that is gone, though the cache does not know, would be collected and made again without end.
  if (plan.create.length > 0 && (await isGone(service, cluster, signal))) return undefined;
  const metrics = endpointSliceMetricsOf(cluster.metrics);
  try {
    await writeSlices(service, withTriggerTime(plan, triggerTimes.next(key, service, pods)), cluster, signal);
  } catch (error) {
    metrics.syncs.add(1, { result: 'error' });
    throw error;
  }
  noteSlices(metrics, key, { present, wanted, plan });
  metrics.syncs.add(1, { result: 'success' });
  return { quietMs: quietMsFor(pods.length) };
}

async function writeSlices(
  service: Service,
  plan: SlicePlan,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const forService = `for Service ${keyOf(service)}`;
  await applySlicePlan(cluster, plan, signal, (act, why) => {
    const message = `Error updating Endpoint Slices ${forService}: failed to ${act} ${forService}: ${why}`;
    cluster.event(targetOf(Service, service), 'Warning', 'FailedToUpdateEndpointSlices', message);
  });
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
  const managedBy = metadata.labels?.[sliceManagerLabel];
  return service ? [`${managedBy} ${metadata.namespace}/${service}`] : [];
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

/** One that is being deleted is still served. */
async function isGone(
  { metadata: { name, namespace, uid } }: Service,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<boolean> {
  const present = await cluster.client.get(Service, { name, namespace }, signal).catch(undefinedIfNotFound);
  return present?.metadata.uid !== uid;
}
