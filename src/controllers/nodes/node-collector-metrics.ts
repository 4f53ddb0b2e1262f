/** The health of the nodes of each zone, under the metric names of upstream's node lifecycle controller. */
import type { Node } from '../../api/resources.gen.ts';
import { regionLabel, zoneLabel } from '../../api/well-known.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import { nodeCondition } from './node-state.ts';

interface ZoneCount {
  ready: number;
  all: number;
}

export const nodeCollectorMetricsOf = metricsPerRegistry((registry) => {
  const source: { nodes(): Iterable<Node> } = { nodes: () => [] };
  const perZone = (measure: (zone: ZoneCount) => number) =>
    function* () {
      for (const [zone, count] of countZones(source.nodes()))
        yield { labels: { zone }, value: measure(count) };
    };
  registry.collected(
    'node_collector_zone_size',
    'Gauge measuring number of registered Nodes per zones.',
    perZone(({ all }) => all),
  );
  registry.collected(
    'node_collector_zone_health',
    'Gauge measuring percentage of healthy nodes per zone.',
    perZone(({ ready, all }) => (100 * ready) / all),
  );
  registry.collected(
    'node_collector_unhealthy_nodes_in_zone',
    'Gauge measuring number of not Ready Nodes per zones.',
    perZone(({ ready, all }) => all - ready),
  );
  return {
    /** Where to find the nodes when metrics are collected. */
    source,
    evictions: registry.counter(
      'node_collector_evictions_total',
      'Number of Node evictions that happened since current instance of NodeController started.',
    ),
  };
});

function countZones(nodes: Iterable<Node>): Map<string, ZoneCount> {
  const zones = new Map<string, ZoneCount>();
  for (const node of nodes) {
    const zone = zoneLabelOf(node);
    const count = zones.get(zone) ?? { ready: 0, all: 0 };
    count.all++;
    if (nodeCondition(node, 'Ready')?.status === 'True') count.ready++;
    zones.set(zone, count);
  }
  return zones;
}

/** Region and zone as upstream joins them; empty for a node that has neither. */
export function zoneLabelOf({ metadata: { labels } }: Node): string {
  const region = labels?.[regionLabel] ?? '';
  const zone = labels?.[zoneLabel] ?? '';
  return region || zone ? `${region}:\0:${zone}` : '';
}
