/** What the slices of a Service should hold, computed from its pods. Decides; never acts. */
import type { EndpointSlice, Node, Pod, Service } from '../../../api/resources.gen.ts';
import type * as discovery from '../../../api/types/discovery-v1.gen.ts';
import { headlessServiceLabel } from '../../../api/well-known.ts';
import { isPodReady } from '../../pods/pod-state.ts';
import { addressOf, portsOf } from './endpoint-pods.ts';
import { triggerTimeAnnotation } from './endpoint-trigger-time.ts';
import type { SlicePlan, WantedSlices } from './endpointslice-plan.ts';
import { computeZoneShares, isSharedByCapacity, planHints, type ZoneShares } from './topology-hints.ts';

/** What is known of the cluster's nodes. */
export interface NodeZones {
  zoneOfNode(node: string): string | undefined;
  /** Those that zones are compared by; looked at only for Services that are shared by capacity. */
  nodes(): Iterable<Node>;
}

/** Endpoints of one address family. */
export interface HintedSlices extends WantedSlices {
  /** Why they have no hints, though the Service asks for them. */
  problem?: string;
}

/** One group of endpoints for each address family of the Service. */
export function wantedSlices(service: Service, pods: readonly Pod[], zones: NodeZones): HintedSlices[] {
  const families = (service.spec?.ipFamilies ?? ['IPv4']) as ('IPv4' | 'IPv6')[];
  const shares = isSharedByCapacity(service) ? computeZoneShares(zones.nodes()) : undefined;
  return families.map((family) => withHints(service, computeEndpoints(service, pods, family, zones), shares));
}

export function labelsOfSlices({ metadata, spec }: Service): Record<string, string> {
  const { [headlessServiceLabel]: _, ...labels } = metadata.labels ?? {};
  return spec?.clusterIP === 'None' ? { ...labels, [headlessServiceLabel]: '' } : labels;
}

/** Whether hints have come, or cannot be given, for Services that ask for them. */
export function planHintEvents(
  service: Service,
  present: readonly EndpointSlice[],
  wanted: readonly HintedSlices[],
): { type: 'Normal' | 'Warning'; reason: string; message: string }[] {
  if (!isSharedByCapacity(service)) return [];
  return wanted.flatMap(({ addressType, problem }) => {
    const text = `addressType: ${addressType}`;
    if (problem)
      return {
        type: 'Warning' as const,
        reason: 'TopologyAwareHintsDisabled',
        message: `${problem}, ${text}`,
      };
    const hadHints = present.some(
      (slice) => slice.addressType === addressType && slice.endpoints?.some(({ hints }) => hints),
    );
    if (hadHints) return [];
    const message = `Topology Aware Hints has been enabled, ${text}`;
    return { type: 'Normal' as const, reason: 'TopologyAwareHintsEnabled', message };
  });
}

/** A write carries the time of the change that caused it, and no time when there was no such change. */
export function withTriggerTime(plan: SlicePlan, time: string | undefined): SlicePlan {
  const stamped = <T extends { metadata: { annotations?: Record<string, string> } }>(slice: T): T => {
    const { [triggerTimeAnnotation]: _, ...others } = slice.metadata.annotations ?? {};
    const annotations = { ...others, ...(time && { [triggerTimeAnnotation]: time }) };
    return { ...slice, metadata: { ...slice.metadata, annotations } };
  };
  return { ...plan, create: plan.create.map(stamped), update: plan.update.map(stamped) };
}

/** Across all endpoints of the family, whatever their ports. */
function withHints(service: Service, wanted: WantedSlices, shares: ZoneShares | undefined): HintedSlices {
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

/** The endpoints of one address family, grouped by the ports that they have. */
function computeEndpoints(
  service: Service,
  pods: readonly Pod[],
  family: 'IPv4' | 'IPv6',
  zones: NodeZones,
): WantedSlices {
  const groups = new Map<string, { ports: discovery.EndpointPort[]; endpoints: discovery.Endpoint[] }>();
  for (const pod of pods) {
    const ip = addressOf(pod, family);
    if (!ip) continue;
    const ports = portsOf(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(toEndpoint(service, pod, ip, zones));
  }
  return { addressType: family, groups: [...groups.values()] };
}

function toEndpoint(service: Service, pod: Pod, ip: string, { zoneOfNode }: NodeZones): discovery.Endpoint {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata;
  const { hostname, subdomain, nodeName } = pod.spec ?? {};
  const serving = isPodReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const ready = Boolean(service.spec?.publishNotReadyAddresses) || (serving && !terminating);
  const zone = nodeName ? zoneOfNode(nodeName) : undefined;
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    ...(hostname && subdomain === service.metadata.name && { hostname }),
    ...(nodeName && { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(zone && { zone }),
  };
}
