/** The link between the host and the nodes of a cluster: one bridge on the host, a veth pair per node. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { run, succeeds } from '../../base/system/command.ts';
import { ipv4ToNumber } from '../../base/text/ipv4.ts';
import { type NodeNamespace, runInNode } from '../node/node-namespace.ts';

export interface ClusterLink {
  bridge: string;
  /** The first three bytes of a /24, e.g. `172.30.7`. */
  subnet: string;
}

export interface NodeLink {
  /** Last byte of the node's address; also names the host's end of its wire. */
  index: number;
  serviceCidr: string;
  /** The node reaches what lies beyond the host. */
  defaultRoute: boolean;
}

/** 172.30.0.0/16 is private, and rarely used by others. */
const candidateSubnets = Array.from({ length: 256 }, (_, third) => `172.30.${third}`);
const hostIndex = 1;
/** Node addresses end below, load-balancer addresses at or above. */
export const loadBalancerIndexMin = 128;
export const firstNodeIndex = 2;

export const hostAddress = (link: Pick<ClusterLink, 'subnet'>) => `${link.subnet}.${hostIndex}`;
export const nodeAddress = (link: Pick<ClusterLink, 'subnet'>, index: number) => `${link.subnet}.${index}`;

export function isCandidateSubnet(subnet: string): boolean {
  return candidateSubnets.includes(subnet);
}

/**
 * A /24 that nothing on this machine uses. `seed` spreads the choices of clusters that start at the same time.
 * @throws when all are taken
 */
export function chooseSubnet(usedPrefixes: readonly string[], seed: number): string {
  const ranges = usedPrefixes.map(parsePrefix);
  for (let offset = 0; offset < candidateSubnets.length; offset++) {
    const subnet = candidateSubnets[(seed + offset) % candidateSubnets.length]!;
    const candidate = parsePrefix(`${subnet}.0/24`);
    if (!ranges.some((range) => overlap(range, candidate))) return subnet;
  }
  throw new Error('every /24 of 172.30.0.0/16 is in use on this machine');
}

interface RouteFacts {
  dst: string;
  dev?: string;
  prefsrc?: string;
}

/** Prefixes that the host's interfaces and routes use, the default route apart, and those of `except` apart. */
export async function usedPrefixes(except?: string): Promise<string[]> {
  const shown = await run('ip', ['-4', '-json', 'route', 'show', 'table', 'all']);
  const routes = JSON.parse(shown || '[]') as RouteFacts[];
  return routes
    .filter((route) => route.dst !== 'default' && route.dev !== except)
    .map((route) => (route.dst.includes('/') ? route.dst : `${route.dst}/32`));
}

export async function ensureBridge(link: ClusterLink): Promise<void> {
  const address = `${hostAddress(link)}/24`;
  if (!hasInterface(link.bridge)) {
    await run('ip', ['-batch', '-'], {
      input: [
        `link add ${link.bridge} type bridge`,
        `address add ${address} dev ${link.bridge}`,
        `link set ${link.bridge} up`,
      ].join('\n'),
    });
    return;
  }
  await run('ip', ['address', 'replace', address, 'dev', link.bridge]);
  await run('ip', ['link', 'set', link.bridge, 'up']);
}

/** Removes the bridge and what is left of the nodes' wires. */
export async function removeBridge(bridge: string): Promise<void> {
  const ours = hostInterfaces().filter((name) => name === bridge || name.startsWith(`${bridge}-`));
  for (const name of ours) await removeInterface(name);
}

const wireName = (bridge: string, index: number) => `${bridge}-${index}`;

/** True when the node's link exists and is attached to the bridge; it disappears with the node's namespace. */
export function isAttached(bridge: string, index: number): boolean {
  return existsSync(`/sys/class/net/${wireName(bridge, index)}/brport`);
}

export async function detachNode(bridge: string, index: number): Promise<void> {
  await removeInterface(wireName(bridge, index));
}

/**
 * Joins the node to the bridge as its `eth0`. Remains of a failed or interrupted attempt are replaced: attaching the
 * link to the bridge is the very last step, so that only a complete one counts as attached.
 */
export async function attachNode(link: ClusterLink, node: NodeLink, namespace: NodeNamespace): Promise<void> {
  const wire = wireName(link.bridge, node.index);
  const address = nodeAddress(link, node.index);
  await removeInterface(wire);
  await runInNode(namespace, ['/bin/sh', '-c', removeServiceRouteScript]);
  await run('ip', ['-batch', '-'], {
    input: `link add ${wire} type veth peer name eth0 netns ${namespace.holder.pid}`,
  });
  await runInNode(namespace, ['ip', '-batch', '-'], {
    input: [`address add ${address}/24 dev eth0`, addServiceLink].join('\n'),
  });
  await ensureNodeRoutes(link, node, namespace);
  await run('ip', ['link', 'set', wire, 'master', link.bridge, 'up']);
}

/** What the node's links lead to. A flush takes that along, and so does a link that was down. */
export async function ensureNodeRoutes(
  link: ClusterLink,
  node: NodeLink,
  namespace: NodeNamespace,
): Promise<void> {
  const address = nodeAddress(link, node.index);
  await runInNode(namespace, ['ip', '-batch', '-'], {
    input: [
      'link set eth0 up',
      `route replace ${link.subnet}.0/24 dev eth0 proto kernel scope link src ${address}`,
      ...serviceRoute(node.serviceCidr, address),
      ...(node.defaultRoute ? [`route replace default via ${hostAddress(link)}`] : []),
    ].join('\n'),
  });
}

/**
 * What a node itself sends to a service address is rewritten after a route for it was found. This one leads nowhere: a
 * packet that nothing rewrites does not leave the node.
 */
function serviceRoute(serviceCidr: string, address: string): string[] {
  return ['link set svc1 up', 'link set svc0 up', `route replace ${serviceCidr} dev svc0 src ${address}`];
}

const addServiceLink = 'link add svc0 type veth peer name svc1';

const removeServiceRouteScript = '! ip link show svc0 >/dev/null 2>&1 || exec ip link delete svc0';

/** The same for a whole machine that is a node, in the network of this process. */
export async function ensureServiceRoute(serviceCidr: string, address: string): Promise<void> {
  const routes = JSON.parse((await run('ip', ['-4', '-json', 'route', 'show'])) || '[]') as RouteFacts[];
  if (routes.some(({ dst, dev, prefsrc }) => dst === serviceCidr && dev === 'svc0' && prefsrc === address))
    return;
  // Incomplete, or with an address that the machine had before.
  await removeServiceRoute();
  await run('ip', ['-batch', '-'], {
    input: [addServiceLink, ...serviceRoute(serviceCidr, address)].join('\n'),
  });
}

export async function removeServiceRoute(): Promise<void> {
  await run('/bin/sh', ['-c', removeServiceRouteScript]);
}

/** The address from which this machine talks to another. */
export async function addressTowards(host: string): Promise<string> {
  const [route] = JSON.parse(await run('ip', ['-json', 'route', 'get', host])) as { prefsrc?: string }[];
  if (!route?.prefsrc) throw new Error(`this machine has no address towards ${host}`);
  return route.prefsrc;
}

/** True when the host itself has a way out. */
export function hostHasDefaultRoute(routes = readFileSync('/proc/net/route', 'utf8')): boolean {
  return routes
    .split('\n')
    .slice(1)
    .some((line) => {
      const [, destination, , , , , , mask] = line.split('\t');
      return destination === '00000000' && mask === '00000000';
    });
}

/** The kernel removes a link shortly after its namespace has ended, and may do so first. */
async function removeInterface(name: string): Promise<void> {
  if (!hasInterface(name)) return;
  const removed = await succeeds('ip', ['link', 'delete', name]);
  if (!removed && hasInterface(name)) throw new Error(`the interface ${name} cannot be removed`);
}

function hasInterface(name: string): boolean {
  return hostInterfaces().includes(name);
}

function hostInterfaces(): string[] {
  return readdirSync('/sys/class/net');
}

/** True when the address lies within the prefix. */
export function isWithin(address: string, prefix: string): boolean {
  return overlap(parsePrefix(`${address}/32`), parsePrefix(prefix));
}

interface Range {
  first: number;
  last: number;
}

function parsePrefix(prefix: string): Range {
  const [address, bits = '32'] = prefix.split('/');
  const value = ipv4ToNumber(address!);
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(value / size) * size;
  return { first, last: first + size - 1 };
}

function overlap(one: Range, other: Range): boolean {
  return one.first <= other.last && other.first <= one.last;
}
