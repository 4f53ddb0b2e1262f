/** Gives every node its own range of pod addresses. */
import { Node } from '../../api/resources.gen.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { ipv4FromNumber, ipv4ToNumber } from '../../base/text/ipv4.ts';
import { type AnyController, defineController } from '../../client/controller/controller.ts';
import { targetOf } from '../../client/events/event-recorder.ts';

export interface NodeIpamOptions {
  /** Whole range for pods, e.g. `10.244.0.0/16`. */
  clusterCidr: string;
  /** Prefix length of a node's range. */
  nodeMaskSize: number;
}

const ipamMetricsOf = metricsPerRegistry((registry) => {
  const prefix = 'node_ipam_controller';
  return {
    allocations: registry.counter(
      `${prefix}_cidrset_cidrs_allocations_total`,
      'Counter measuring total number of CIDR allocations.',
    ),
    releases: registry.counter(
      `${prefix}_cidrset_cidrs_releases_total`,
      'Counter measuring total number of CIDR releases.',
    ),
    usage: registry.gauge(`${prefix}_cidrset_usage_cidrs`, 'Gauge measuring percentage of allocated CIDRs.'),
    // Upstream's own spelling.
    max: registry.gauge(`${prefix}_cirdset_max_cidrs`, 'Maximum number of CIDRs that can be allocated.'),
    tries: registry.histogram(
      `${prefix}_cidrset_allocation_tries_per_request`,
      'Number of ranges that were taken before a free one was found',
      exponentialBuckets(1, 5, 5),
    ),
  };
});

type IpamMetrics = ReturnType<typeof ipamMetricsOf>;

export function nodeIpamController(options: NodeIpamOptions): AnyController {
  /** By node: the ranges handed out, including those that the cache does not show yet. */
  const handedOut = new Map<string, string>();
  const labels = { clusterCIDR: options.clusterCidr };
  const hold = (name: string, range: string, metrics: IpamMetrics) => {
    if (!handedOut.has(name)) metrics.allocations.add(1, labels);
    handedOut.set(name, range);
    metrics.usage.set(handedOut.size / rangeCount(options), labels);
  };
  const release = (name: string, metrics: IpamMetrics) => {
    if (handedOut.delete(name)) metrics.releases.add(1, labels);
    metrics.usage.set(handedOut.size / rangeCount(options), labels);
  };
  return defineController({
    name: 'cidrallocator_node',
    component: 'cidrAllocator',
    reconciles: Node,
    concerns: (node: Node, old: Node | undefined) => !old || node.spec?.podCIDR !== old.spec?.podCIDR,
    // One at a time: two nodes must never be given the same range.
    concurrency: 1,
    metrics: (registry) => ipamMetricsOf(registry).max.set(rangeCount(options), labels),
    async reconcile(name, cluster, signal) {
      const node = cluster.get(Node, name);
      const metrics = ipamMetricsOf(cluster.metrics);
      if (!node) {
        release(name, metrics);
        return;
      }
      if (node.spec?.podCIDR) {
        hold(name, node.spec.podCIDR, metrics);
        return;
      }
      const known = handedOut.get(name);
      const taken = () => takenRanges(cluster.informer(Node).list(), handedOut.values());
      const next = known ? undefined : nextRange(options, taken());
      const range = known ?? next?.range;
      if (!range) {
        const message = `Node ${name} status is now: CIDRNotAvailable`;
        cluster.event(targetOf(Node, node), 'Normal', 'CIDRNotAvailable', message);
        throw new Error(`no range of ${options.clusterCidr} is left for node ${name}`);
      }
      if (next) metrics.tries.observe(next.tries, labels);
      hold(name, range, metrics);
      const patch = { spec: { podCIDR: range, podCIDRs: [range] } };
      await cluster.patch(Node, node, patch, { type: 'strategic', signal });
    },
  });
}

function rangeCount({ clusterCidr, nodeMaskSize }: NodeIpamOptions): number {
  return 2 ** (nodeMaskSize - Number(clusterCidr.split('/')[1]));
}

/** `handedOut`: also those that the nodes do not show yet. */
export function takenRanges(nodes: Iterable<Node>, handedOut: Iterable<string>): Set<string> {
  const taken = new Set(handedOut);
  for (const { spec } of nodes) if (spec?.podCIDR) taken.add(spec.podCIDR);
  return taken;
}

/** The lowest free range of the cluster's; undefined when all are taken. */
export function nextRange(
  options: NodeIpamOptions,
  taken: ReadonlySet<string>,
): { range: string; tries: number } | undefined {
  const [address = ''] = options.clusterCidr.split('/');
  const base = ipv4ToNumber(address);
  const size = 2 ** (32 - options.nodeMaskSize);
  for (let index = 0; index < rangeCount(options); index++) {
    const range = `${ipv4FromNumber(base + index * size)}/${options.nodeMaskSize}`;
    if (!taken.has(range)) return { range, tries: index };
  }
  return undefined;
}
