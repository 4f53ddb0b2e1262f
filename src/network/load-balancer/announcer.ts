/**
 * Makes load-balancer addresses reachable on the cluster's own link: exactly one ready node has each address on its
 * interface, so that machines on the link find it. What the address serves is up to the proxy.
 */

import { isIPv4 } from 'node:net';
import { keyOf } from '../../api/meta.ts';
import { type EndpointSlice, Node, Service } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { ipv4ToNumber } from '../../base/text/ipv4.ts';
import type { Informer, InformerFactory } from '../../client/informers/informer.ts';
import { readLink } from '../cni/link.ts';
import { createCommandRunner, type RunCommand } from '../command.ts';
import { type ServiceSlices, serviceKeyOf, serviceSlices } from '../service-slices.ts';
import { createSyncLoop, type SyncLoop } from '../sync-loop.ts';
import { LinkAddresses } from './link-addresses.ts';

export interface AnnouncerOptions {
  nodeName: string;
  nodeAddress: string;
  informers: InformerFactory;
  clock: Clock;
  logger: Logger;
  /** How to run `ip` and `busybox`; directly when absent. */
  run?: RunCommand;
}

/**
 * Addresses that this node is to have. All nodes of a link come to the same decision, so that no two take the same
 * address.
 */
export function planAnnouncements(options: {
  nodeName: string;
  services: Iterable<Service>;
  slicesOf(serviceKey: string): readonly EndpointSlice[];
  nodes: Iterable<Node>;
  isOnLink(address: string): boolean;
}): string[] {
  const ready = [...options.nodes]
    .filter((node) => isReady(node) && internalAddresses(node).some(options.isOnLink))
    .map(({ metadata }) => metadata.name);
  return [...options.services]
    .flatMap((service) => {
      const addresses = announcedAddresses(service).filter(options.isOnLink);
      if (addresses.length === 0) return [];
      const candidates = candidateNodes(service, options.slicesOf(keyOf(service)), ready);
      return addresses.filter((address) => chooseNode(address, candidates) === options.nodeName);
    })
    .sort();
}

/** Follows services and nodes until `signal` aborts; the addresses stay then, as the rules for them do. */
export async function startAnnouncer(
  options: AnnouncerOptions,
  signal: AbortSignal,
): Promise<Pick<SyncLoop, 'settled'>> {
  const { clock, logger, nodeName } = options;
  const run = options.run ?? createCommandRunner();
  const cluster = await readCluster(options.informers);
  const link = await readLink(run, options.nodeAddress);
  const addresses = await LinkAddresses.read({ device: link.device, run, logger });
  const sync = () =>
    addresses.set(
      planAnnouncements({
        nodeName,
        services: cluster.services.list(),
        slicesOf: cluster.slices.of,
        nodes: cluster.nodes.list(),
        isOnLink: link.isOnLink,
      }),
    );
  const loop = createSyncLoop(
    { clock, logger, failure: 'load-balancer addresses could not be set', sync },
    signal,
  );
  touchOnChanges(cluster, loop);
  loop.touch();
  await loop.settled();
  return loop;
}

/** The part of the cluster's state that decides which node has an address. */
interface ClusterView {
  services: Informer<Service>;
  nodes: Informer<Node>;
  slices: ServiceSlices;
}

/** Resolves when all of it has been read. */
async function readCluster(informers: InformerFactory): Promise<ClusterView> {
  const services = informers.of(Service);
  const nodes = informers.of(Node);
  const slices = serviceSlices(informers);
  await Promise.all([services.synced(), nodes.synced(), slices.informer.synced()]);
  return { services, nodes, slices };
}

/** Touches the loop when a change may move an address. */
function touchOnChanges({ services, nodes, slices }: ClusterView, loop: SyncLoop): void {
  const touchNode = (node: Node, old?: Node) => {
    if (!old || isReady(node) !== isReady(old)) loop.touch();
  };
  const touchService = (service: Service, old = service) => {
    if (announcedAddresses(service).length + announcedAddresses(old).length > 0) loop.touch();
  };
  const touchSlice = (slice: EndpointSlice) => {
    const service = services.get(serviceKeyOf(slice));
    if (service?.spec?.externalTrafficPolicy === 'Local') touchService(service);
  };
  nodes.handle({ added: (node) => touchNode(node), updated: touchNode, deleted: (node) => touchNode(node) });
  services.handle({
    added: (each) => touchService(each),
    updated: touchService,
    deleted: (each) => touchService(each),
  });
  slices.informer.handle({ added: touchSlice, updated: touchSlice, deleted: touchSlice });
}

function announcedAddresses({ spec, status }: Service): string[] {
  if (spec?.type !== 'LoadBalancer') return [];
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip?.includes('.') ? [ip] : []));
}

/** With a Local policy, only nodes with local endpoints serve traffic from outside. */
function candidateNodes(
  service: Service,
  slices: readonly EndpointSlice[],
  ready: readonly string[],
): readonly string[] {
  if (service.spec?.externalTrafficPolicy !== 'Local') return ready;
  const serving = new Set(
    // The server shows a slice without endpoints as null.
    slices.flatMap(({ endpoints }) =>
      (endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready !== false)
        .map(({ nodeName }) => nodeName),
    ),
  );
  const local = ready.filter((name) => serving.has(name));
  return local.length > 0 ? local : ready;
}

/** Rendezvous hashing: when a node goes, only its own addresses move. */
function chooseNode(address: string, nodes: readonly string[]): string | undefined {
  let best: { name: string; weight: number } | undefined;
  for (const name of nodes) {
    const weight = hash(`${ipv4ToNumber(address)} ${name}`);
    if (!best || weight > best.weight || (weight === best.weight && name < best.name))
      best = { name, weight };
  }
  return best?.name;
}

/** FNV-1a with a final mix, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}

function internalAddresses(node: Node): string[] {
  return (node.status?.addresses ?? []).flatMap(({ type, address }) =>
    type === 'InternalIP' && isIPv4(address) ? [address] : [],
  );
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
