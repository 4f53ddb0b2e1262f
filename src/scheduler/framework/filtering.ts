/** Runs the filters of a profile for one pod: which plugins have something to check, and each node's verdict. */
import type { NodeInfo } from './node-info.ts';
import type { Refusal } from './node-rejections.ts';
import type { FilterTrial, PodChange, Rejection, Snapshot } from './plugin.ts';
import { type PodInfo, shapeOf } from './pod-info.ts';
import type { Profile, Slot } from './profile.ts';
import type { ShapeMemory } from './shape-memory.ts';

/** The result of preFilter: the filters that apply to this pod, with their states. */
export interface FilterCycle {
  pod: PodInfo;
  snapshot: Snapshot;
  /** Filters that have something to check. */
  active: readonly Slot[];
  /** By plugin index. */
  states: unknown[];
  /** Undefined: all nodes. */
  nodeNames: ReadonlySet<string> | undefined;
  /** The plugins that restricted the nodes. */
  narrowedBy: string[];
  /** All filters that apply are node-local. */
  isNodeLocal: boolean;
}

/** Records which plugin refused. */
export type Blame = (plugin: string) => void;

/** Either the cycle to continue with, or the plugin that rules out every node. */
export function runPreFilter(profile: Profile, pod: PodInfo, snapshot: Snapshot): FilterCycle | Refusal {
  const states: unknown[] = [];
  const skipped = new Set<number>();
  const narrowedBy: string[] = [];
  let nodeNames: ReadonlySet<string> | undefined;
  for (const { plugin, index } of profile.preFilter) {
    const outcome = plugin.preFilter!(pod, snapshot);
    if (outcome.kind === 'reject') return { rejection: outcome.rejection, plugin: plugin.name };
    if (outcome.kind === 'skip') {
      skipped.add(index);
      continue;
    }
    states[index] = outcome.state;
    if (outcome.nodeNames) {
      nodeNames = nodeNames ? intersect(nodeNames, outcome.nodeNames) : outcome.nodeNames;
      narrowedBy.push(plugin.name);
    }
  }
  const active =
    skipped.size === 0 ? profile.filter : profile.filter.filter((slot) => !skipped.has(slot.index));
  const isNodeLocal = active.every(({ plugin }) => plugin.isNodeLocal);
  return { pod, snapshot, active, states, nodeNames, narrowedBy, isNodeLocal };
}

/** The verdict on a node; undefined: it fits. `blame` records which plugin refused. */
export function runFilters(cycle: FilterCycle, node: NodeInfo, blame?: Blame): Rejection | undefined {
  return cycle.isNodeLocal && !isPromisedTo(cycle, node)
    ? recall(cycle, node, blame)
    : evaluate(cycle, node, blame);
}

/** Whether the node is nominated for this very pod: it is then another node for it than for others of its shape. */
function isPromisedTo({ pod, snapshot }: FilterCycle, node: NodeInfo): boolean {
  return node.isPromised && snapshot.nominatedTo(node.name).some(({ uid }) => uid === pod.uid);
}

function evaluate(cycle: FilterCycle, node: NodeInfo, blame?: Blame): Rejection | undefined {
  if (node.isPromised) {
    // Once as if the pods nominated to this node were there.
    const rejection = createTrial(cycle, node).verdict(blame);
    if (rejection) return rejection;
  }
  // And once without them: what they would bring (such as affinity) is not there yet.
  return applyFilters(cycle, node, blame);
}

/** From memory, if a pod of the same shape was evaluated since the node last changed. */
function recall(cycle: FilterCycle, node: NodeInfo, blame?: Blame): Rejection | undefined {
  const refusal = recallOrEvaluate(cycle, node, cycle.snapshot.memoryOf(shapeOf(cycle.pod)));
  if (refusal) blame?.(refusal.plugin);
  return refusal?.rejection;
}

/** A node's verdict, which is then remembered; undefined: it fits. For node-local cycles. */
export function recallOrEvaluate(
  cycle: FilterCycle,
  node: NodeInfo,
  memory: ShapeMemory,
): Refusal | undefined {
  const known = memory.recall(node.slot);
  if (known) return known === 'fits' ? undefined : known;
  let plugin = '';
  const rejection = evaluate(cycle, node, (refusing) => {
    plugin = refusing;
  });
  const refusal = rejection && { rejection, plugin };
  memory.note(node.slot, refusal);
  return refusal;
}

function applyFilters(
  { active, states, pod }: Pick<FilterCycle, 'active' | 'states' | 'pod'>,
  node: NodeInfo,
  blame?: Blame,
): Rejection | undefined {
  for (const { plugin, index } of active) {
    const rejection = plugin.filter!(pod, node, states[index]);
    if (rejection) {
      blame?.(plugin.name);
      return rejection;
    }
  }
  return undefined;
}

/**
 * A copy of a node and of the states, for asking what would be if pods came or went. Pods nominated to the node with at
 * least the same priority are already on it.
 */
export function createTrial(
  cycle: FilterCycle,
  original: NodeInfo,
): FilterTrial & { verdict(blame?: Blame): Rejection | undefined } {
  const { active, pod, snapshot } = cycle;
  const node = original.clone();
  const states = [...cycle.states];
  const changing = active.filter(({ plugin }) => plugin.changePod);
  for (const { plugin, index } of changing)
    if (plugin.cloneState) states[index] = plugin.cloneState(states[index]);
  const verdict = (blame?: Blame) => applyFilters({ active, states, pod }, node, blame);
  const notify = (change: PodChange) => {
    for (const { plugin, index } of changing) plugin.changePod!(states[index], pod, change);
  };
  const trial = {
    node,
    verdict,
    addPod(info: PodInfo) {
      node.addPod(info);
      notify({ pod: info, node, by: 1 });
    },
    removePod(info: PodInfo) {
      node.removePod(info.uid);
      notify({ pod: info, node, by: -1 });
    },
  };
  for (const other of snapshot.nominatedTo(original.name))
    if (other.priority >= pod.priority && other.uid !== pod.uid) trial.addPod(other);
  return trial;
}

function intersect(left: ReadonlySet<string>, right: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...left].filter((name) => right.has(name)));
}
