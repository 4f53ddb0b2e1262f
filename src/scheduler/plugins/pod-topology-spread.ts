/** Spreads a group of pods evenly over hosts, zones or any other topology. */
import type { TopologySpreadConstraint } from '../../api/types/core-v1.gen.ts';
import { hostnameLabel } from '../../api/well-known.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import {
  type Plugin,
  type PodChange,
  type Rejection,
  type RetryRule,
  type Snapshot,
  scoreMax,
  skip,
  unresolvable,
  unschedulable,
} from '../framework/plugin.ts';
import type { Counts } from '../framework/pod-index.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import type { DefaultConstraints } from './default-spread.ts';
import { compileConstraint, type SpreadConstraint } from './spread-constraint.ts';
import { TopologyCounts } from './topology-counts.ts';

const tooUneven = unschedulable("node(s) didn't match pod topology spread constraints");
const missingLabel = unresolvable(
  "node(s) didn't match pod topology spread constraints (missing required label)",
);

interface HardConstraint extends SpreadConstraint {
  matching: TopologyCounts;
}

interface SoftConstraint extends SpreadConstraint {
  /** For hostnames the pods of the node itself, otherwise those of the whole topology. */
  matching: Counts;
  isPerNode: boolean;
  /** Otherwise topologies with few values would outweigh those with many. */
  weight: number;
}

interface SpreadScoring {
  constraints: SoftConstraint[];
  /** Nodes without the labels get the lowest score. */
  requiresAllKeys: boolean;
}

export function podTopologySpread(defaults?: DefaultConstraints): Plugin<HardConstraint[], SpreadScoring> {
  return {
    name: 'PodTopologySpread',
    retryRules,
    preFilter(info, snapshot) {
      const constraints = constraintsOf(info, 'DoNotSchedule', defaults);
      if (constraints.length === 0) return skip;
      return { kind: 'continue', state: countHard(constraints, snapshot) };
    },
    filter: (_, node, state) => rejectNode(node, state),
    cloneState: (state) =>
      state.map((constraint) => ({ ...constraint, matching: constraint.matching.clone() })),
    changePod: (state, _pod, change) => changeCounts(state, change),
    preScore(info, nodes, snapshot) {
      const constraints = constraintsOf(info, 'ScheduleAnyway', defaults);
      if (constraints.length === 0) return skip;
      const requiresAllKeys = (info.pod.spec?.topologySpreadConstraints?.length ?? 0) > 0;
      const state = {
        constraints: constraints.map((constraint) =>
          prepareSoft(constraint, requiresAllKeys ? constraints : [constraint], nodes, snapshot),
        ),
        requiresAllKeys,
      };
      return { kind: 'continue', state };
    },
    score: (_, node, state) => (isRated(node, state) ? unevenness(node, state.constraints) : 0),
    normalize: (scores, nodes, _, state) => invert(scores, nodes, state),
  };
}

const retryRules: readonly RetryRule[] = [
  {
    resource: 'AssignedPod',
    changes: ['add', 'delete', 'labels'],
    helps: (pod, { old, current }) => {
      const { namespace } = ((current ?? old) as { metadata: { namespace?: string } }).metadata;
      return namespace === pod.namespace;
    },
  },
  { resource: 'Node', changes: ['add', 'delete', 'labels', 'taints'] },
  { resource: 'TargetPod', changes: ['labels'] },
];

/** The pod's own constraints of this strictness, or else those from `defaults`. */
function constraintsOf(
  info: PodInfo,
  when: TopologySpreadConstraint['whenUnsatisfiable'],
  defaults: DefaultConstraints | undefined,
): SpreadConstraint[] {
  const own = info.pod.spec?.topologySpreadConstraints ?? [];
  const all = own.length > 0 ? own : (defaults?.(info) ?? []);
  return all
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when)
    .map((constraint) => compileConstraint(constraint, info));
}

function countHard(constraints: readonly SpreadConstraint[], snapshot: Snapshot): HardConstraint[] {
  return constraints.map((constraint) => ({
    ...constraint,
    matching: new TopologyCounts(constraint.topologyKey, countMatching(constraint, constraints, snapshot)),
  }));
}

function changeCounts(state: readonly HardConstraint[], { pod: changed, node, by }: PodChange): void {
  const { labels, deletionTimestamp } = changed.pod.metadata;
  if (deletionTimestamp) return;
  for (const { matching, topologyKey, selection, counts } of state) {
    const value = node.labels[topologyKey];
    if (value === undefined || counts?.(node) === false) continue;
    if (selection.matches(changed.namespace, labels)) matching.add(value, by);
  }
}

/** Per value of the topology: the pods on nodes that count there. Values without pods are included, with 0. */
function countMatching(
  constraint: SpreadConstraint,
  all: readonly SpreadConstraint[],
  snapshot: Snapshot,
): Counts {
  const { byNode } = snapshot.pods.select(constraint.selection);
  const counts = new Map<string, number>();
  for (const node of snapshot.nodes) {
    const value = node.labels[constraint.topologyKey];
    if (value === undefined) continue;
    if (all.length > 1 && !all.every(({ topologyKey }) => node.labels[topologyKey] !== undefined)) continue;
    if (constraint.counts?.(node) === false) continue;
    counts.set(value, (counts.get(value) ?? 0) + (byNode.get(node.name) ?? 0));
  }
  return counts;
}

function rejectNode(node: NodeInfo, constraints: readonly HardConstraint[]): Rejection | undefined {
  for (const { topologyKey, matching, matchesItself, maxSkew, minDomains } of constraints) {
    const value = node.labels[topologyKey];
    if (value === undefined) return missingLabel;
    const lowest = matching.lowest();
    const floor = lowest.values < minDomains ? 0 : lowest.count;
    if (matching.get(value) + (matchesItself ? 1 : 0) - floor > maxSkew) return tooUneven;
  }
  return undefined;
}

/** `keyed`: the constraints whose topology keys a node must all have to be scored. */
function prepareSoft(
  constraint: SpreadConstraint,
  keyed: readonly SpreadConstraint[],
  nodes: readonly NodeInfo[],
  snapshot: Snapshot,
): SoftConstraint {
  const { topologyKey } = constraint;
  const isPerNode = topologyKey === hostnameLabel;
  const selected = snapshot.pods.select(constraint.selection);
  let rated = 0;
  const values = new Set<string>();
  for (const node of nodes) {
    if (!keyed.every(({ topologyKey: key }) => node.labels[key] !== undefined)) continue;
    rated++;
    if (!isPerNode) values.add(node.labels[topologyKey]!);
  }
  return {
    ...constraint,
    isPerNode,
    matching: isPerNode ? selected.byNode : countPerTopology(),
    weight: Math.log((isPerNode ? rated : values.size) + 2),
  };

  function countPerTopology(): Counts {
    const countsAllNodes = !constraint.counts && keyed.length === 1;
    return countsAllNodes ? selected.byTopology(topologyKey) : countMatching(constraint, keyed, snapshot);
  }
}

function isRated(node: NodeInfo, { constraints, requiresAllKeys }: SpreadScoring): boolean {
  return !requiresAllKeys || constraints.every(({ topologyKey }) => node.labels[topologyKey] !== undefined);
}

/** The more similar pods are near, the higher. */
function unevenness(node: NodeInfo, constraints: readonly SoftConstraint[]): number {
  let sum = 0;
  for (const { topologyKey, matching, isPerNode, weight, maxSkew } of constraints) {
    const value = node.labels[topologyKey];
    if (value === undefined) continue;
    sum += (matching.get(isPerNode ? node.name : value) ?? 0) * weight + (maxSkew - 1);
  }
  return Math.round(sum);
}

/** Scales the most even node to 100, and nodes without the labels to 0. */
function invert(scores: Float64Array, nodes: readonly NodeInfo[], state: SpreadScoring): void {
  let [lowest, highest] = [Number.POSITIVE_INFINITY, 0];
  for (const [index, node] of nodes.entries()) {
    if (!isRated(node, state)) continue;
    lowest = Math.min(lowest, scores[index]!);
    highest = Math.max(highest, scores[index]!);
  }
  for (const [index, node] of nodes.entries()) {
    if (!isRated(node, state)) scores[index] = 0;
    else if (highest === 0) scores[index] = scoreMax;
    else scores[index] = Math.floor((scoreMax * (highest + lowest - scores[index]!)) / highest);
  }
}
