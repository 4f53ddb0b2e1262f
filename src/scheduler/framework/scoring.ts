/** Rates the nodes that fit, and picks the best. */
import type { Random } from '../../base/random.ts';
import type { NodeInfo } from './node-info.ts';
import type { Snapshot } from './plugin.ts';
import type { PodInfo } from './pod-info.ts';
import type { Profile } from './profile.ts';

/** The weighted sums of all plugins' scores, in the order of `nodes`. */
export function scoreNodes(
  profile: Profile,
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  snapshot: Snapshot,
): Float64Array {
  const totals = new Float64Array(nodes.length);
  const scores = new Float64Array(nodes.length);
  for (const { plugin, weight } of profile.score) {
    const before = plugin.preScore?.(pod, nodes, snapshot);
    if (before?.kind === 'skip') continue;
    for (let index = 0; index < nodes.length; index++)
      scores[index] = plugin.score!(pod, nodes[index]!, before?.state);
    plugin.normalize?.(scores, nodes, pod, before?.state);
    for (let index = 0; index < nodes.length; index++) totals[index]! += scores[index]! * weight;
  }
  return totals;
}

/** The node with the highest score; among equals any, so that load spreads. */
export function pickBest(nodes: readonly NodeInfo[], totals: Float64Array, random: Random): NodeInfo {
  let best = Number.NEGATIVE_INFINITY;
  let ties = 0;
  for (const total of totals) {
    if (total > best) {
      best = total;
      ties = 1;
    } else if (total === best) ties++;
  }
  let choice = ties === 1 ? 0 : Math.floor(random.next() * ties);
  const index = totals.findIndex((total) => total === best && choice-- === 0);
  return nodes[index]!;
}
