/** Decides how pods of this node are connected, and how pod ranges of other nodes are reached. Pure. */
import { isIPv4 } from 'node:net';
import type { Node } from '../../api/resources.gen.ts';

/** What a node publishes about itself: its address, and the range of its pods' addresses. */
export interface NodeRange {
  name: string;
  address: string;
  podCidr: string;
}

export interface Route {
  /** The range, e.g. `10.244.1.0/24`. */
  to: string;
  /** The rest of the route in `ip route` words. */
  via: string;
}

/** A remote end of the overlay: its hardware address, and where it is. */
export interface OverlayPeer {
  /** First address of the peer's pod range: the gateway named by routes through the overlay. */
  gateway: string;
  hardwareAddress: string;
  address: string;
}

export interface RoutePlan {
  routes: Route[];
  peers: OverlayPeer[];
  /**
   * The node's own address on the overlay: the first of its pod range, to which the peers have a route. Without it the
   * kernel would choose any address as the source of what the node itself sends, or masquerades, through the overlay.
   */
  overlayAddress: string;
}

/** Marks our routes in the kernel's table. */
export const routeProtocol = '119';
export const overlayDevice = 'wherry-vxlan';
export const overlayHeaderBytes = 50;

/** The node's address and IPv4 pod range; undefined until it has both. */
export function nodeRange(node: Node): NodeRange | undefined {
  // A node says of itself what it likes: other words would end up in the commands of all others.
  const address = node.status?.addresses?.find(
    ({ type, address }) => type === 'InternalIP' && isIPv4(address),
  )?.address;
  const ranges = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
  const podCidr = ranges.find((range) => range.includes('.'));
  return address && podCidr ? { name: node.metadata.name, address, podCidr } : undefined;
}

/**
 * Pod ranges on the same link are reached by the node's address, others through the overlay. Addresses in the node's
 * range that no pod has, and pod ranges that no node has, are unreachable: packets to them never leave the node.
 * `isOnLink`: whether an address can be reached without a router.
 */
export function planRoutes(options: {
  own: NodeRange;
  others: readonly NodeRange[];
  clusterCidr: string;
  isOnLink(address: string): boolean;
}): RoutePlan {
  const { own, others, clusterCidr, isOnLink } = options;
  const routes: Route[] = [
    { to: clusterCidr, via: 'unreachable' },
    { to: own.podCidr, via: 'unreachable' },
  ];
  const peers: OverlayPeer[] = [];
  for (const { address, podCidr } of others) {
    if (podCidr === own.podCidr) continue;
    if (isOnLink(address)) {
      routes.push({ to: podCidr, via: `via ${address}` });
      continue;
    }
    const gateway = firstOf(podCidr);
    peers.push({ gateway, address, hardwareAddress: overlayHardwareAddress(address) });
    routes.push({ to: podCidr, via: `via ${gateway} dev ${overlayDevice} onlink` });
  }
  return { routes, peers, overlayAddress: firstOf(own.podCidr) };
}

const firstOf = (range: string) => range.split('/')[0]!;

/** Derived from the node's address, so that it need not be announced. Locally administered. */
export function overlayHardwareAddress(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return ['02', '77', ...bytes].join(':');
}

/** The network's name, for the runtime's records of its pods. */
const networkName = 'wherry';

/** Where the plugin records which pod has which address. */
export const leasesOf = (leasesFolder: string) => `${leasesFolder}/${networkName}`;

/** The CNI configuration: one plugin, our own, in plugins/. Every pod has a pair of interfaces to its node (docs/adr). */
export function cniConfig(options: { podCidr: string; mtuBytes: number; leasesFolder: string }): {
  cniVersion: string;
  name: string;
  plugins: [object];
} {
  const { podCidr, mtuBytes, leasesFolder } = options;
  return {
    cniVersion: '0.4.0',
    name: networkName,
    plugins: [
      {
        type: 'wherry',
        mtu: mtuBytes,
        subnet: podCidr,
        leasesFolder: leasesOf(leasesFolder),
      },
    ],
  };
}
