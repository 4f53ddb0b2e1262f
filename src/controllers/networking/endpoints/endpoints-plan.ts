/** The Endpoints of a Service, computed from its pods. Decides; never acts. */
import { isDeepStrictEqual } from 'node:util';
import type { Draft } from '../../../api/meta.ts';
import type { Endpoints, Pod, Service } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { endpointsManagerLabel, headlessServiceLabel } from '../../../api/well-known.ts';
import { isPodReady } from '../../pods/pod-state.ts';
import { addressOf, portsOf } from './endpoint-pods.ts';
import { triggerTimeAnnotation } from './endpoint-trigger-time.ts';

const managedBy = 'endpoint-controller';
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
const addressesMax = 1000;

export interface EndpointsPlan {
  create?: Draft<Endpoints>;
  update?: Endpoints;
}

/** `pods`: see `addressablePods`. `triggerTime`: of the change that leads to a write, if one did. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  { present, triggerTime }: { present: Endpoints | undefined; triggerTime: string | undefined },
): EndpointsPlan {
  const content = contentOf(service, pods);
  if (present && isUpToDate(present, content)) return {};
  const { labels, isTruncated, subsets } = content;
  const marks = {
    ...(isTruncated && { [overCapacityAnnotation]: 'truncated' }),
    ...(triggerTime && { [triggerTimeAnnotation]: triggerTime }),
  };
  if (!present) {
    const { name, namespace } = service.metadata;
    const annotations = Object.keys(marks).length > 0 && { annotations: marks };
    return { create: { metadata: { name, namespace, labels, ...annotations }, subsets } };
  }
  const {
    [triggerTimeAnnotation]: _,
    [overCapacityAnnotation]: __,
    ...others
  } = present.metadata.annotations ?? {};
  const metadata = { ...present.metadata, labels, annotations: { ...others, ...marks } };
  return { update: { ...present, metadata, subsets } };
}

interface Content {
  labels: Record<string, string>;
  isTruncated: boolean;
  subsets: core.EndpointSubset[];
}

function contentOf(service: Service, pods: readonly Pod[]): Content {
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
    const ports = portsOf(service, pod).map(({ name, ...port }) => ({ ...(name && { name }), ...port }));
    if ((ports.length === 0 && (spec.ports?.length ?? 0) > 0) || count >= addressesMax) continue;
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
  const labels: Record<string, string> = { ...service.metadata.labels, [endpointsManagerLabel]: managedBy };
  if (isHeadless) labels[headlessServiceLabel] = '';
  else delete labels[headlessServiceLabel];
  return { labels, isTruncated: pods.length > addressesMax, subsets };
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

function isUpToDate(present: Endpoints, { labels, isTruncated, subsets }: Content): boolean {
  const isMarked = present.metadata.annotations?.[overCapacityAnnotation] === 'truncated';
  return (
    isDeepStrictEqual(present.metadata.labels ?? {}, labels) &&
    isMarked === isTruncated &&
    isDeepStrictEqual(JSON.parse(JSON.stringify(present.subsets ?? [])), JSON.parse(JSON.stringify(subsets)))
  );
}
