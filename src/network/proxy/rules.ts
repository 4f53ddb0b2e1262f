/**
 * Decides how the node handles traffic for services: from a Service and its EndpointSlices to the elements of the
 * nftables sets that skeleton.ts declares. Pure; the table is all data, so a changed endpoint changes elements only.
 */

import { isIPv4 } from 'node:net';
import type { EndpointSlice, Service } from '../../api/resources.gen.ts';
import { ipv4FromNumber, ipv4ToNumber } from '../../base/text/ipv4.ts';
import type { SetElement } from '../nftables/element-table.ts';
import { type PickChain, pickChainName } from './pick-chains.ts';
import {
  type Backend,
  type Backends,
  computeBackends,
  isForProxies,
  type NodeView,
  type ServicePort,
} from './service-backends.ts';

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

const defaultAffinityTimeoutSeconds = 10_800;

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
