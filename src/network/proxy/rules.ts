/**
 * Decides how the node handles traffic for services: from a Service and its EndpointSlices to the elements of the
 * nftables sets that skeleton.ts declares. Pure; the table is all data, so a changed endpoint changes elements only.
 */

import { isIPv4 } from 'node:net';
import type { EndpointSlice, Service } from '../../api/resources.gen.ts';
import { headlessServiceLabel } from '../../api/well-known.ts';
import { ipv4FromNumber, ipv4ToNumber } from '../../base/text/ipv4.ts';
import type { SetElement } from '../nftables/element-table.ts';

/** The node, as far as service rules depend on it. */
export interface NodeView {
  name: string;
  /** Where endpoints are meant for zones, those for this zone are preferred. */
  zone?: string | undefined;
  /** Service addresses that a process on the node itself answers (cluster DNS): no rule touches them. */
  ownServiceAddresses: readonly string[];
}

export type SetName =
  | 'services'
  | 'nodeports'
  | 'endpoints'
  | 'local-endpoints'
  | 'nodeport-endpoints'
  | 'nodeport-local-endpoints'
  | 'affine'
  | 'affine-nodeports'
  | 'hairpin'
  | 'refused'
  | 'refused-nodeports'
  | 'dropped'
  | 'hostports'
  | 'hostports-at'
  | 'firewalled'
  | 'firewall-allowed'
  | 'service-ranges';

export interface Element extends SetElement {
  set: SetName;
}

type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number];
type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

interface Backend {
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

/** A chain that sends a new connection to one of several endpoints; created when an element first names it. */
export interface PickChain {
  /** `address`: keyed by destination address and port; `nodeport`: by port alone. */
  by: 'address' | 'nodeport';
  /**
   * For which traffic the source address is replaced by the node's: for that from outside the pod ranges, or for all.
   */
  masquerade: 'outside' | 'all';
  /** Endpoints of the whole cluster. */
  count: number;
  /** With a `Local` external policy: endpoints on this node, which serve clients from outside. */
  localCount?: number;
  hasAffinity: boolean;
}

const defaultAffinityTimeoutSeconds = 10_800;

/**
 * Labels of services and slices that are for another proxy, or that no proxy should handle even if they have an
 * address.
 */
const notForProxies = ['service.kubernetes.io/service-proxy-name', headlessServiceLabel];

export function isForProxies({ metadata }: Service | EndpointSlice): boolean {
  return !notForProxies.some((label) => metadata.labels?.[label] !== undefined);
}

/** Everything that one service requires on this node. `slices`: those labelled with the service's name. */
export function computeServiceRules(
  service: Service,
  slices: readonly EndpointSlice[],
  node: NodeView,
): Element[] {
  const spec = service.spec;
  if (!isForProxies(service)) return [];
  if (!spec || spec.type === 'ExternalName' || !spec.clusterIP || spec.clusterIP === 'None') return [];
  const addresses = serviceAddresses(service);
  if (addresses.cluster.some((address) => node.ownServiceAddresses.includes(address))) return [];
  const elements: Element[] = [];
  for (const port of spec.ports ?? []) {
    const backends = computeBackends(port, slices, node);
    elements.push(
      ...addresses.cluster.flatMap((address) => clusterAddressRules(service, port, address, backends)),
      ...addresses.external.flatMap((address) => externalAddressRules(service, port, address, backends)),
      ...nodePortRules(service, port, backends),
      ...backends.local.map(hairpinRule),
    );
  }
  return elements;
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

/** Name and fields in one: the name describes the chain completely. */
export function pickChainName(chain: PickChain): string {
  const counts = chain.localCount === undefined ? `${chain.count}` : `${chain.localCount}of${chain.count}`;
  return `pick-${chain.by}-${chain.masquerade}-${counts}${chain.hasAffinity ? '-affine' : ''}`;
}

/** The inverse of {@link pickChainName}; undefined for other chains. */
export function parsePickChainName(name: string): PickChain | undefined {
  const match = /^pick-(address|nodeport)-(outside|all)-(?:(\d+)of)?(\d+)(-affine)?$/.exec(name);
  if (!match) return undefined;
  const [, by, masquerade, localCount, count, affine] = match;
  return {
    by: by as PickChain['by'],
    masquerade: masquerade as PickChain['masquerade'],
    count: Number(count),
    ...(localCount === undefined ? {} : { localCount: Number(localCount) }),
    hasAffinity: affine !== undefined,
  };
}

/** Whether `endpoint` is one of the indexed elements of `service` in `set`. */
export function isEndpoint(
  table: { get(set: string, key: string): string | undefined },
  set: string,
  service: string,
  endpoint: string,
): boolean {
  for (let index = 0; ; index++) {
    const value = table.get(set, `${service} . ${index}`);
    if (value === undefined || value === endpoint) return value === endpoint;
  }
}

/** IPv4 addresses by which a service can be reached, besides the nodes' own. */
function serviceAddresses(service: Service): { cluster: string[]; external: string[] } {
  const { spec, status } = service;
  const clusterAddresses = spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ''];
  const balanced =
    spec?.type === 'LoadBalancer'
      ? (status?.loadBalancer?.ingress ?? [])
          .filter(({ ipMode }) => ipMode !== 'Proxy')
          .map(({ ip }) => ip ?? '')
      : [];
  return {
    cluster: clusterAddresses.filter(isIPv4),
    external: [...new Set([...(spec?.externalIPs ?? []), ...balanced].filter(isIPv4))],
  };
}

function clusterAddressRules(
  service: Service,
  port: ServicePort,
  address: string,
  backends: Backends,
): Element[] {
  const at = addressKey(address, port);
  const isLocalOnly = service.spec?.internalTrafficPolicy === 'Local';
  const list = isLocalOnly ? backends.local : backends.cluster;
  if (list.length === 0)
    return [{ set: backends.cluster.length > 0 ? 'dropped' : 'refused', key: at, value: '' }];
  const chain: PickChain = {
    by: 'address',
    masquerade: 'outside',
    count: list.length,
    hasAffinity: hasAffinity(service),
  };
  return [
    { set: 'services', key: at, value: `goto ${pickChainName(chain)}` },
    ...indexed('endpoints', at, list),
    ...affinityRules(service, 'affine', at),
  ];
}

function externalAddressRules(
  service: Service,
  port: ServicePort,
  address: string,
  backends: Backends,
): Element[] {
  const at = addressKey(address, port);
  const firewall = firewallRules(service, at, address);
  if (backends.cluster.length === 0) return [...firewall, { set: 'refused', key: at, value: '' }];
  return [
    ...firewall,
    { set: 'services', key: at, value: `goto ${pickChainName(externalChain(service, 'address', backends))}` },
    ...indexed('endpoints', at, backends.cluster),
    ...(isExternallyLocal(service) ? indexed('local-endpoints', at, backends.local) : []),
    ...affinityRules(service, 'affine', at),
  ];
}

function nodePortRules(service: Service, port: ServicePort, backends: Backends): Element[] {
  const type = service.spec?.type;
  if (!port.nodePort || (type !== 'NodePort' && type !== 'LoadBalancer')) return [];
  const at = `${protocolOf(port)} . ${port.nodePort}`;
  if (backends.cluster.length === 0) return [{ set: 'refused-nodeports', key: at, value: '' }];
  return [
    {
      set: 'nodeports',
      key: at,
      value: `goto ${pickChainName(externalChain(service, 'nodeport', backends))}`,
    },
    ...indexed('nodeport-endpoints', at, backends.cluster),
    ...(isExternallyLocal(service) ? indexed('nodeport-local-endpoints', at, backends.local) : []),
    ...affinityRules(service, 'affine-nodeports', at),
  ];
}

function externalChain(service: Service, by: PickChain['by'], backends: Backends): PickChain {
  const chain = {
    by,
    masquerade: 'all' as const,
    count: backends.cluster.length,
    hasAffinity: hasAffinity(service),
  };
  return isExternallyLocal(service) ? { ...chain, localCount: backends.local.length } : chain;
}

/** A load balancer's source ranges apply to its own addresses, not to externalIPs. */
function firewallRules(service: Service, at: string, address: string): Element[] {
  const ranges = widestRanges(service.spec?.loadBalancerSourceRanges ?? []);
  const isBalanced = service.status?.loadBalancer?.ingress?.some(({ ip }) => ip === address);
  if (ranges.length === 0 || !isBalanced) return [];
  return [
    { set: 'firewalled', key: at, value: '' },
    ...ranges.map((range) => ({ set: 'firewall-allowed' as const, key: `${at} . ${range}`, value: '' })),
  ];
}

function affinityRules(service: Service, set: 'affine' | 'affine-nodeports', at: string): Element[] {
  if (!hasAffinity(service)) return [];
  const seconds =
    service.spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinityTimeoutSeconds;
  return [{ set, key: at, value: `goto remember-${seconds}` }];
}

/** A pod that reaches itself through a service must not see its own address as the client's. */
function hairpinRule({ address }: Backend): Element {
  return { set: 'hairpin', key: `${address} . ${address}`, value: '' };
}

function indexed(set: SetName, at: string, backends: readonly Backend[]): Element[] {
  return backends.map(({ address, port }, index) => ({
    set,
    key: `${at} . ${index}`,
    value: `${address} . ${port}`,
  }));
}

function addressKey(address: string, port: ServicePort): string {
  return `${address} . ${protocolOf(port)} . ${port.port}`;
}

function protocolOf(port: ServicePort): string {
  return (port.protocol ?? 'TCP').toLowerCase();
}

function hasAffinity(service: Service): boolean {
  return service.spec?.sessionAffinity === 'ClientIP';
}

function isExternallyLocal(service: Service): boolean {
  return service.spec?.externalTrafficPolicy === 'Local';
}

/** Ordered by address as text: any fixed order will do, so that equal inputs give equal rules. */
function sortBackends(backends: Backend[]): Backend[] {
  return backends.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
}

/** Without ranges that lie within others, since the kernel refuses overlaps. IPv4 only, host bits cleared. */
function widestRanges(texts: readonly string[]): string[] {
  const ranges = texts.flatMap((text) => {
    const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(text.trim());
    if (!match) return [];
    const length = Number(match[2]);
    const size = 2 ** (32 - length);
    return [{ first: Math.floor(ipv4ToNumber(match[1]!) / size) * size, size, length }];
  });
  // In this order a range that lies within another comes right after it, or after others that do.
  let coveredTo = 0;
  const widest = ranges
    .sort((a, b) => a.first - b.first || b.size - a.size)
    .filter(({ first, size }) => {
      if (first < coveredTo) return false;
      coveredTo = first + size;
      return true;
    });
  return widest.map(({ first, length }) => `${ipv4FromNumber(first)}/${length}`);
}
