/** Endpoints: the old form of a Service's addresses, at most 1,000 of them, for clients that still read it. */

import { isDeepStrictEqual } from 'node:util';
import { matchesLabels } from '../../api/label-selector.ts';
import type { KubeObject } from '../../api/meta.ts';
import { Endpoints, Pod, Service } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { headlessServiceLabel } from '../../api/well-known.ts';
import {
  type AnyController,
  defineController,
  quietMsFor,
  watch,
} from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { isPodReady } from '../pod-state.ts';
import {
  addressablePods,
  addressOf,
  concernsEndpoints,
  findPort,
  hasSelector,
  servicesOf,
} from './endpoint-pods.ts';
import { reportRefusal } from './endpoint-refusal.ts';
import { TriggerTimes, triggerTimeAnnotation } from './endpoint-trigger-time.ts';

const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const managedBy = 'endpoint-controller';
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
/** Endpoints with this annotation hold a lock, and no addresses. */
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const addressesMax = 1000;

export function endpointsController(): AnyController {
  const triggerTimes = new TriggerTimes();
  return defineController({
    name: 'endpoint',
    component: 'endpoint-controller',
    reconciles: Service,
    watches: [
      watch(Pod, (pod, old, informers) =>
        old && old !== pod && !concernsEndpoints(pod, old) ? [] : servicesOf(informers.of(Service), pod, old),
      ),
      watch(Endpoints, (endpoints, old, informers) =>
        old && informers.of(Service).get(serviceKeyOf(endpoints)) ? [serviceKeyOf(endpoints)] : [],
      ),
    ],
    async reconcile(key, cluster, signal) {
      const service = cluster.get(Service, key);
      const present = cluster.get(Endpoints, key);
      if (!service) {
        triggerTimes.forget(key);
        // Including Endpoints made for the Service by hand.
        if (present && !(leaderAnnotation in (present.metadata.annotations ?? {})))
          await cluster.delete(Endpoints, present, signal);
        return;
      }
      if (!hasSelector(service)) return;
      const selector = service.spec!.selector!;
      const pods = [...cluster.informer(Pod).inNamespace(service.metadata.namespace!)].filter((pod) =>
        matchesLabels(selector, pod.metadata.labels),
      );
      const plan = planEndpoints(service, addressablePods(pods, selector));
      const triggerTime = triggerTimes.next(key, service, pods);
      if (triggerTime)
        plan.metadata.annotations = { ...plan.metadata.annotations, [triggerTimeAnnotation]: triggerTime };
      if (!present) return await createEndpoints(cluster, service, plan, signal);
      if (!isUpToDate(present, plan)) await updateEndpoints(cluster, present, plan, signal);
      return { quietMs: quietMsFor(pods.length) };
    },
  });
}

async function createEndpoints(
  cluster: ReconcileCluster,
  { metadata: { name, namespace } }: Service,
  plan: EndpointsPlan,
  signal: AbortSignal,
): Promise<undefined> {
  const metadata = { ...plan.metadata, name, namespace };
  await reportRefusal(cluster.create(Endpoints, { ...plan, metadata }, signal), (why) =>
    recordFailure(
      cluster,
      { name, namespace },
      {
        reason: 'FailedToCreateEndpoint',
        message: `Failed to create endpoint for service ${namespace}/${name}: ${why}`,
      },
    ),
  );
}

async function updateEndpoints(
  cluster: ReconcileCluster,
  present: Endpoints,
  plan: EndpointsPlan,
  signal: AbortSignal,
): Promise<void> {
  const {
    [triggerTimeAnnotation]: _,
    [overCapacityAnnotation]: __,
    ...others
  } = present.metadata.annotations ?? {};
  const annotations = { ...others, ...plan.metadata.annotations };
  const metadata = { ...present.metadata, ...plan.metadata, annotations };
  const { name, namespace } = present.metadata;
  await reportRefusal(
    cluster.update(Endpoints, { ...present, ...plan, metadata }, signal).catch(undefinedIfNotFound),
    (why) =>
      recordFailure(cluster, present.metadata, {
        reason: 'FailedToUpdateEndpoint',
        message: `Failed to update endpoint ${namespace}/${name}: ${why}`,
      }),
  );
}

/** Before they exist, Endpoints are named only. */
function recordFailure(
  cluster: ReconcileCluster,
  metadata: Partial<Endpoints['metadata']>,
  { reason, message }: { reason: string; message: string },
): void {
  cluster.event(targetOf(Endpoints, { metadata } as Endpoints), 'Warning', reason, message);
}

function serviceKeyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

export interface EndpointsPlan {
  metadata: { labels: Record<string, string>; annotations?: Record<string, string> };
  subsets: core.EndpointSubset[];
}

/** `pods`: see {@link addressablePods}. */
function planEndpoints(service: Service, pods: readonly Pod[]): EndpointsPlan {
  const spec = service.spec!;
  const isHeadless = spec.clusterIP === 'None';
  const family = (spec.ipFamilies?.[0] as 'IPv4' | 'IPv6' | undefined) ?? 'IPv4';
  /** Addresses with the same ports share a subset. */
  const groups = new Map<string, Required<core.EndpointSubset>>();
  let count = 0;
  for (const pod of pods) {
    const ip = addressOf(pod, family);
    // Terminating pods are not offered to new connections.
    if (!ip || (pod.metadata.deletionTimestamp && !spec.publishNotReadyAddresses)) continue;
    const ports = portsFor(service, pod);
    if (!ports || (ports.length === 0 && (spec.ports?.length ?? 0) > 0) || count >= addressesMax) continue;
    count++;
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { addresses: [], notReadyAddresses: [], ports };
    groups.set(key, group);
    const isOffered = isPodReady(pod) || spec.publishNotReadyAddresses;
    (isOffered ? group.addresses : group.notReadyAddresses).push(toAddress(service, pod, ip));
  }
  const byIp = (a: core.EndpointAddress, b: core.EndpointAddress) => (a.ip < b.ip ? -1 : 1);
  const subsets = [...groups.values()].map(({ addresses, notReadyAddresses, ports }) => ({
    ...(addresses.length > 0 && { addresses: addresses.sort(byIp) }),
    ...(notReadyAddresses.length > 0 && { notReadyAddresses: notReadyAddresses.sort(byIp) }),
    ...(ports.length > 0 && { ports }),
  }));
  const labels: Record<string, string> = { ...service.metadata.labels, [managedByLabel]: managedBy };
  if (isHeadless) labels[headlessServiceLabel] = '';
  else delete labels[headlessServiceLabel];
  const isTruncated = pods.length > addressesMax;
  return {
    metadata: { labels, ...(isTruncated && { annotations: { [overCapacityAnnotation]: 'truncated' } }) },
    subsets,
  };
}

function portsFor(service: Service, pod: Pod): core.EndpointPort[] | undefined {
  const ports: core.EndpointPort[] = [];
  for (const { name, port, targetPort, protocol = 'TCP', appProtocol } of service.spec!.ports ?? []) {
    const number = findPort(pod, targetPort, port, protocol);
    if (number === undefined) continue;
    ports.push({ ...(name && { name }), port: number, protocol, ...(appProtocol && { appProtocol }) });
  }
  return ports;
}

function toAddress(service: Service, pod: Pod, ip: string): core.EndpointAddress {
  const { name, namespace, uid } = pod.metadata;
  const { hostname, subdomain, nodeName } = pod.spec ?? {};
  return {
    ip,
    ...(hostname && subdomain === service.metadata.name && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}

function isUpToDate(present: Endpoints, plan: EndpointsPlan): boolean {
  return (
    isDeepStrictEqual(present.metadata.labels ?? {}, plan.metadata.labels) &&
    present.metadata.annotations?.[overCapacityAnnotation] ===
      plan.metadata.annotations?.[overCapacityAnnotation] &&
    isDeepStrictEqual(
      JSON.parse(JSON.stringify(present.subsets ?? [])),
      JSON.parse(JSON.stringify(plan.subsets)),
    )
  );
}
