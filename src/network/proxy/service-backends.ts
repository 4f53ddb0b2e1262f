/** Which endpoints serve a port of a service for this node. Pure. */
import type { EndpointSlice, Service } from '../../api/resources.gen.ts';
import { headlessServiceLabel } from '../../api/well-known.ts';

/** The node, as far as service rules depend on it. */
export interface NodeView {
  name: string;
  /** Where endpoints are meant for zones, those for this zone are preferred. */
  zone?: string | undefined;
  /** Service addresses that a process on the node itself answers (cluster DNS): no rule touches them. */
  ownServiceAddresses: readonly string[];
}

export type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number];
type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

export interface Backend {
  address: string;
  port: number;
  isLocal: boolean;
}

/** A ready endpoint and whom it is meant for; empty lists: for all clients. */
interface ReadyBackend extends Backend {
  forZones: readonly string[];
  forNodes: readonly string[];
}

/** The endpoints of one service port: all that may be used, and those of them on this node. */
export interface Backends {
  cluster: readonly Backend[];
  local: readonly Backend[];
}

/**
 * Labels of services and slices that are for another proxy, or that no proxy should handle even if they have an
 * address.
 */
const notForProxies = ['service.kubernetes.io/service-proxy-name', headlessServiceLabel];

export function isForProxies({ metadata }: Service | EndpointSlice): boolean {
  return !notForProxies.some((label) => metadata.labels?.[label] !== undefined);
}

/**
 * Ready endpoints of a port; of them only the nearby ones, where hints say which. If none is ready, terminating
 * endpoints that still serve take their place: separately for the cluster and for the node.
 */
export function computeBackends(
  port: ServicePort,
  slices: readonly EndpointSlice[],
  node: Pick<NodeView, 'name' | 'zone'>,
): Backends {
  const ready = new Map<string, ReadyBackend>();
  const terminating = new Map<string, Backend>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4' || !isForProxies(slice)) continue;
    const target = slice.ports?.find(
      (candidate) =>
        (candidate.name ?? '') === (port.name ?? '') &&
        (candidate.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
    if (!target?.port) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const address = endpoint.addresses[0];
      if (!address) continue;
      const backend = { address, port: target.port, isLocal: endpoint.nodeName === node.name };
      const {
        ready: isReady = true,
        serving = isReady,
        terminating: isTerminating,
      } = endpoint.conditions ?? {};
      if (isReady) ready.set(`${address}:${target.port}`, { ...backend, ...meantFor(endpoint) });
      else if (serving && isTerminating) terminating.set(`${address}:${target.port}`, backend);
    }
  }
  const onNode = (backends: Map<string, Backend>) => [...backends.values()].filter(({ isLocal }) => isLocal);
  const localReady = onNode(ready);
  return {
    cluster: sortBackends(ready.size > 0 ? nearest([...ready.values()], node) : [...terminating.values()]),
    local: sortBackends(localReady.length > 0 ? localReady : onNode(terminating)),
  };
}

function meantFor({ hints }: Endpoint): Pick<ReadyBackend, 'forZones' | 'forNodes'> {
  const names = (list: readonly { name: string }[] = []) => list.map(({ name }) => name);
  return { forZones: names(hints?.forZones), forNodes: names(hints?.forNodes) };
}

/**
 * Hints apply only when all endpoints have them and at least one is for this node, or else for its zone; otherwise all
 * endpoints serve.
 */
function nearest(ready: ReadyBackend[], { name, zone }: Pick<NodeView, 'name' | 'zone'>): ReadyBackend[] {
  if (ready.every(({ forNodes }) => forNodes.length > 0)) {
    const forNode = ready.filter(({ forNodes }) => forNodes.includes(name));
    if (forNode.length > 0) return forNode;
  }
  if (zone !== undefined && ready.every(({ forZones }) => forZones.length > 0)) {
    const forZone = ready.filter(({ forZones }) => forZones.includes(zone));
    if (forZone.length > 0) return forZone;
  }
  return ready;
}

/** Ordered by address as text: any fixed order will do, so that equal inputs give equal rules. */
function sortBackends(backends: Backend[]): Backend[] {
  return backends.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
}
