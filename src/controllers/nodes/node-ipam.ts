/** Gives every node a range of pod addresses of its own. */
import { Node } from '../../api/resources.gen.ts';
import { type AnyController, defineController } from '../../client/controller.ts';

export interface NodeIpamOptions {
  /** Whole range for pods, e.g. `10.244.0.0/16`. */
  clusterCidr: string;
  /** Prefix length of a node's part. */
  nodeMaskSize: number;
}

export function nodeIpamController(options: NodeIpamOptions): AnyController {
  /** By node: what was handed out, also where the cache does not show it yet. */
  const handedOut = new Map<string, string>();
  return defineController({
    name: 'cidrallocator_node',
    component: 'cidrAllocator',
    reconciles: Node,
    concerns: (node: Node, old: Node | undefined) => !old || node.spec?.podCIDR !== old.spec?.podCIDR,
    // One at a time: two nodes must never be given the same range.
    concurrency: 1,
    async reconcile(name, cluster, signal) {
      const node = cluster.get(Node, name);
      if (!node) {
        handedOut.delete(name);
        return;
      }
      if (node.spec?.podCIDR) {
        handedOut.set(name, node.spec.podCIDR);
        return;
      }
      const taken = new Set(handedOut.values());
      for (const other of cluster.informer(Node).list())
        if (other.spec?.podCIDR) taken.add(other.spec.podCIDR);
      const range = handedOut.get(name) ?? nextRange(options, taken);
      if (!range) {
        const message = `Node ${name} status is now: CIDRNotAvailable`;
        cluster.event(Node, node, 'Normal', 'CIDRNotAvailable', message);
        throw new Error(`no range of ${options.clusterCidr} is left for node ${name}`);
      }
      handedOut.set(name, range);
      const patch = { spec: { podCIDR: range, podCIDRs: [range] } };
      await cluster.patch(Node, node, patch, { type: 'strategic' }, signal);
    },
  });
}

/** The lowest part of the cluster's range that nobody has; undefined when all are taken. */
function nextRange(options: NodeIpamOptions, taken: ReadonlySet<string>): string | undefined {
  const [address = '', prefix = '0'] = options.clusterCidr.split('/');
  const base = address.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
  const size = 2 ** (32 - options.nodeMaskSize);
  const count = 2 ** (options.nodeMaskSize - Number(prefix));
  for (let index = 0; index < count; index++) {
    const range = `${dotted(base + index * size)}/${options.nodeMaskSize}`;
    if (!taken.has(range)) return range;
  }
  return undefined;
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
