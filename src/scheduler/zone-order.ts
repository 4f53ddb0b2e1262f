/** An order of nodes in which zones take turns, so that a sample of neighbours covers all zones. */
import { firstRegionLabel, firstZoneLabel, regionLabel, zoneLabel } from '../api/well-known.ts';
import type { NodeInfo } from './framework/node-info.ts';

function zoneOf(labels: Record<string, string>): string {
  const region = labels[regionLabel] ?? labels[firstRegionLabel];
  const zone = labels[zoneLabel] ?? labels[firstZoneLabel];
  return region === undefined && zone === undefined ? '' : `${region ?? ''}:\0:${zone ?? ''}`;
}

export function interleaveZones(nodes: readonly NodeInfo[]): NodeInfo[] {
  const zones = new Map<string, NodeInfo[]>();
  for (const node of nodes) {
    const zone = zoneOf(node.labels);
    const members = zones.get(zone);
    if (members) members.push(node);
    else zones.set(zone, [node]);
  }
  if (zones.size <= 1) return [...nodes];
  const ordered: NodeInfo[] = [];
  for (let turn = 0; ordered.length < nodes.length; turn++)
    for (const members of zones.values()) {
      const node = members[turn];
      if (node) ordered.push(node);
    }
  return ordered;
}
