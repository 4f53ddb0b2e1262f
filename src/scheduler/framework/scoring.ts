/** Scores the nodes that fit, and picks the best. */
import type { Random } from '../../base/random.ts';
import type { NodeInfo } from './node-info.ts';
import type { Snapshot } from './plugin.ts';
import { type PodInfo, shapeOf } from './pod-info.ts';
import { type PointTimer, untimed } from './point-timer.ts';
import type { Profile, Slot } from './profile.ts';

/** The weighted sums of all plugins' scores, in the order of `nodes`. */
export function scoreNodes({ timed = untimed, ...subject }: ScoreSubject): Float64Array {
  const prepared = timed('PreScore');
  const active = prepare(subject);
  prepared('Success');
  const scored = timed('Score');
  const totals = addScores(active, subject);
  scored('Success');
  return totals;
}

interface ScoreSubject {
  profile: Profile;
  pod: PodInfo;
  nodes: readonly NodeInfo[];
  snapshot: Snapshot;
  timed?: PointTimer;
}

function addScores(active: readonly ActiveScore[], { pod, nodes, snapshot }: ScoreSubject): Float64Array {
  const totals = new Float64Array(nodes.length);
  if (active.every(({ plugin }) => plugin.isNodeLocal && !plugin.normalize)) {
    const { scores: known } = snapshot.memoryOf(shapeOf(pod));
    for (let index = 0; index < nodes.length; index++)
      totals[index] = recallScore(active, pod, nodes[index]!, known);
    return totals;
  }
  const scores = new Float64Array(nodes.length);
  for (const { plugin, weight, state } of active) {
    for (let index = 0; index < nodes.length; index++)
      scores[index] = plugin.score!(pod, nodes[index]!, state);
    plugin.normalize?.(scores, nodes, pod, state);
    for (let index = 0; index < nodes.length; index++) totals[index]! += scores[index]! * weight;
  }
  return totals;
}

interface ActiveScore extends Slot {
  state: unknown;
}

/** The plugins that score this pod. */
function prepare({ profile, pod, nodes, snapshot }: ScoreSubject): ActiveScore[] {
  const active: ActiveScore[] = [];
  for (const slot of profile.score) {
    const before = slot.plugin.preScore?.(pod, nodes, snapshot);
    if (before?.kind !== 'skip') active.push({ ...slot, state: before?.state });
  }
  return active;
}

/** From memory, if a pod of the same shape was scored since the node last changed. */
function recallScore(
  active: readonly ActiveScore[],
  pod: PodInfo,
  node: NodeInfo,
  known: Float64Array,
): number {
  const score = known[node.slot]!;
  if (!Number.isNaN(score)) return score;
  let total = 0;
  for (const { plugin, weight, state } of active) total += plugin.score!(pod, node, state) * weight;
  known[node.slot] = total;
  return total;
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
