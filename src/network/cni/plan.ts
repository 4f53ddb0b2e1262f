/** Decides how pods of this node are wired and how pod ranges of other nodes are reached. Pure. */
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

/** A remote end of the overlay: who has the hardware address and where it is. */
export interface OverlayPeer {
  /** First address of the peer's pod range: the gateway that routes through the overlay name. */
  gateway: string;
  hardwareAddress: string;
  address: string;
}

export interface RoutePlan {
  routes: Route[];
  peers: OverlayPeer[];
  /**
   * The node's own on the overlay: the first of its pod range, to which the peers have a route. Without one the kernel
   * gives what the node itself sends through the overlay, or hides the source of, any address that it finds.
   */
  overlayAddress: string;
}

/** Marks the routes that are ours in the kernel's table. */
export const routeProtocol = '119';
export const overlayDevice = 'wherry-vxlan';
export const overlayHeaderBytes = 50;

/** The node's address and IPv4 pod range; undefined until it has both. */
export function nodeRange(node: Node): NodeRange | undefined {
  const address = node.status?.addresses?.find(
    ({ type, address }) => type === 'InternalIP' && address.includes('.'),
  )?.address;
  const ranges = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
  const podCidr = ranges.find((range) => range.includes('.'));
  return address && podCidr ? { name: node.metadata.name, address, podCidr } : undefined;
}

/**
 * Ranges of nodes on the same link go by their address, others through the overlay. Addresses of a range that no pod
 * has, and pod ranges that no node has, are unreachable: their packets never leave.
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

/** Follows from the node's address, so that nobody has to tell it. Locally administered. */
export function overlayHardwareAddress(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return ['02', '77', ...bytes].join(':');
}

/**
 * The CNI configuration. `ptp`, not `bridge`: every packet of a pod then passes the node's own forwarding, so that
 * answers from a pod next door come back through the service table and policies hold there too (docs/adr).
 */
export function cniConfig(options: { podCidr: string; mtuBytes: number; leasesFolder: string }): unknown {
  const { podCidr, mtuBytes, leasesFolder } = options;
  return {
    cniVersion: '0.4.0',
    name: 'wherry',
    plugins: [
      {
        type: 'ptp',
        mtu: mtuBytes,
        ipMasq: false,
        ipam: {
          type: 'host-local',
          dataDir: leasesFolder,
          ranges: [[{ subnet: podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
}
