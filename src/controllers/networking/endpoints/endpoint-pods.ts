/** How pods become addresses of a Service, for Endpoints and EndpointSlices alike. */
import { isSidecar } from '../../../api/core/pod/sidecars.ts';
import { keyOf } from '../../../api/meta.ts';
import type { Pod, Service } from '../../../api/resources.gen.ts';
import { matchesLabels } from '../../../api/selectors/label-selector.ts';
import type { ServicePort } from '../../../api/types/core-v1.gen.ts';
import type { Informer } from '../../../client/informers/informer.ts';
import { isPodTerminal } from '../../pods/pod-state.ts';

/** Services whose selector the pod matches, now or before. */
export function servicesOf(services: Informer<Service>, pod: Pod, old: Pod | undefined): Iterable<string> {
  const keys = new Set<string>();
  const labels = pod.metadata.labels;
  const before = old && old.metadata.labels !== labels ? old.metadata.labels : undefined;
  for (const service of services.inNamespace(pod.metadata.namespace ?? '')) {
    const selector = service.spec?.selector;
    if (!hasSelector(service)) continue;
    if (matchesLabels(selector, labels) || (before && matchesLabels(selector, before)))
      keys.add(keyOf(service));
  }
  return keys;
}

export function hasSelector(service: Service): boolean {
  return Object.keys(service.spec?.selector ?? {}).length > 0;
}

/** Whether anything about the pod has changed that endpoints show. */
export function concernsEndpoints(pod: Pod, old: Pod): boolean {
  return (
    pod.metadata.labels !== old.metadata.labels ||
    pod.metadata.deletionTimestamp !== old.metadata.deletionTimestamp ||
    pod.status !== old.status ||
    pod.spec?.nodeName !== old.spec?.nodeName
  );
}

/** Pods with an address that have not ended: those that a Service may list. */
export function addressablePods(pods: Iterable<Pod>, selector: Record<string, string>): Pod[] {
  const chosen: Pod[] = [];
  for (const pod of pods)
    if (pod.status?.podIP && !isPodTerminal(pod) && matchesLabels(selector, pod.metadata.labels))
      chosen.push(pod);
  return chosen;
}

/** The number behind a Service port's target on this pod; undefined when the pod has no port of that name. */
function findPort(
  pod: Pod,
  target: number | string | undefined,
  port: number,
  protocol: string,
): number | undefined {
  if (target === undefined || target === 0 || target === '') return port;
  if (typeof target === 'number') return target;
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(isSidecar)];
  for (const container of containers)
    for (const one of container.ports ?? [])
      if (one.name === target && (one.protocol ?? 'TCP') === protocol) return one.containerPort;
  return undefined;
}

/** The ports of the Service on this pod; those that it lacks are left out. */
export function portsOf({ spec }: Service, pod: Pod): ServedPort[] {
  const ports: ServedPort[] = [];
  for (const { name = '', port, targetPort, protocol = 'TCP', appProtocol } of spec?.ports ?? []) {
    const number = findPort(pod, targetPort, port, protocol);
    if (number !== undefined)
      ports.push({ name, port: number, protocol, ...(appProtocol && { appProtocol }) });
  }
  return ports;
}

export interface ServedPort {
  name: string;
  port: number;
  protocol: NonNullable<ServicePort['protocol']>;
  appProtocol?: string;
}

/** The pod's address of a family, or undefined. */
export function addressOf(pod: Pod, family: 'IPv4' | 'IPv6'): string | undefined {
  const addresses = [pod.status?.podIP, ...(pod.status?.podIPs ?? []).map((one) => one.ip)];
  return addresses.find((ip) => ip !== undefined && ip.includes(':') === (family === 'IPv6'));
}
