/** Chooses a node for a pod: a pure decision over a snapshot of the cluster. The binding cycle acts on it. */
import type { Random } from '../base/random.ts';
import type { Diagnosis } from './framework/diagnosis.ts';
import {
  createTrial,
  type FilterCycle,
  recallOrEvaluate,
  runFilters,
  runPreFilter,
} from './framework/filtering.ts';
import type { NodeInfo } from './framework/node-info.ts';
import { NodeRejections } from './framework/node-rejections.ts';
import { type Plugin, type PostFilterOutcome, type Snapshot, unresolvable } from './framework/plugin.ts';
import { type PodInfo, shapeOf } from './framework/pod-info.ts';
import { type PointTimer, statusOf, untimed } from './framework/point-timer.ts';
import type { Profile } from './framework/profile.ts';
import { pickBest, scoreNodes } from './framework/scoring.ts';
import type { ShapeMemory } from './framework/shape-memory.ts';

export type Decision =
  | {
      kind: 'placed';
      node: NodeInfo;
      /** By plugin index: the states for the binding cycle's plugins. */
      states: readonly unknown[];
      nodesEvaluated: number;
      nodesFeasible: number;
      /** Where the search for the next pod starts, so that all nodes get their turn. */
      nextStart: number;
    }
  | {
      kind: 'unschedulable';
      diagnosis: Diagnosis;
      nextStart: number;
      postFilter: PostFilterOutcome | undefined;
    }
  | { kind: 'noNodes' };

export interface ScheduleOptions {
  profile: Profile;
  random: Random;
  /** Index of the node at which the search starts. */
  start: number;
  /** The percentage of nodes that have to fit before the search ends; 0: smaller the more nodes there are. */
  percentageOfNodesToScore?: number;
  timed?: PointTimer;
}

export function schedule(snapshot: Snapshot, pod: PodInfo, options: ScheduleOptions): Decision {
  const { profile, start, timed = untimed } = options;
  const nodesTotal = snapshot.nodes.length;
  if (nodesTotal === 0) return { kind: 'noNodes' };

  const diagnosis: Diagnosis = {
    nodesTotal,
    rejections: new NodeRejections(),
    absent: undefined,
    preFilterMessage: undefined,
    plugins: new Set(),
  };
  const preFiltered = timed('PreFilter');
  const cycle = runPreFilter(profile, pod, snapshot);
  preFiltered('rejection' in cycle ? statusOf(cycle.rejection) : 'Success');
  if ('rejection' in cycle) {
    const { plugin, rejection } = cycle;
    diagnosis.absent = rejection;
    diagnosis.preFilterMessage = rejection.reasons.join(', ');
    diagnosis.plugins.add(plugin);
    return unschedulable({ snapshot, pod, diagnosis, options, refusedBy: plugin }, start);
  }

  const filtered = timed('Filter');
  const search: Search = { snapshot, pod, cycle, diagnosis, options };
  const nominated = tryNominatedNode(cycle);
  const memory = rememberedAnswers(cycle);
  const found = nominated
    ? { feasible: [nominated], evaluated: 1, nextStart: start }
    : findNodes(search, memory);
  filtered('Success');
  return found.feasible.length === 0
    ? unschedulable({ ...search, memory }, found.nextStart)
    : placed(search, found);
}

function unschedulable(failed: FailedSearch, nextStart: number): Decision {
  const { diagnosis } = failed;
  return { kind: 'unschedulable', diagnosis, nextStart, postFilter: timedPostFilter(failed) };
}

/** On the best of the nodes that were found. */
function placed({ snapshot, pod, cycle, options }: Search, found: Found): Decision {
  const { profile, random, timed = untimed } = options;
  const { feasible, evaluated, nextStart } = found;
  const node =
    feasible.length === 1
      ? feasible[0]!
      : pickBest(feasible, scoreNodes({ profile, pod, nodes: feasible, snapshot, timed }), random);
  return {
    kind: 'placed',
    node,
    states: cycle.states,
    nodesEvaluated: evaluated,
    nodesFeasible: feasible.length,
    nextStart,
  };
}

/** The node where room was made for this pod earlier comes before all others. */
function tryNominatedNode(cycle: FilterCycle): NodeInfo | undefined {
  const { snapshot, pod } = cycle;
  const name = snapshot.nominatedNodeOf(pod.uid) ?? pod.pod.status?.nominatedNodeName;
  const node = name ? snapshot.node(name) : undefined;
  if (!node || (cycle.nodeNames && !cycle.nodeNames.has(node.name))) return undefined;
  return runFilters(cycle, node) ? undefined : node;
}

/**
 * Used when the answers of all nodes depend on the pod's shape only. For a pod nominated to it, a node answers
 * differently.
 */
function rememberedAnswers({ snapshot, pod, isNodeLocal, nodeNames }: FilterCycle): ShapeMemory | undefined {
  if (!isNodeLocal || nodeNames || snapshot.nominatedNodeOf(pod.uid)) return undefined;
  return snapshot.memoryOf(shapeOf(pod));
}

/** For nodes that fit. */
interface Search {
  snapshot: Snapshot;
  pod: PodInfo;
  cycle: FilterCycle;
  /** Records why nodes do not fit. */
  diagnosis: Diagnosis;
  options: ScheduleOptions;
}

interface Found {
  feasible: NodeInfo[];
  evaluated: number;
  nextStart: number;
}

/** As many nodes that fit as are to be scored. */
function findNodes(search: Search, memory: ShapeMemory | undefined): Found {
  return memory ? findRemembered(search, memory) : findFeasible(search);
}

/** As {@link findFeasible}, skipping the nodes that have refused such a pod and have not changed since. */
function findRemembered({ cycle, diagnosis, options }: Search, memory: ShapeMemory): Found {
  const { start, percentageOfNodesToScore = 0 } = options;
  const { nodes } = memory;
  const total = nodes.length;
  const wanted = nodesToFind(total, percentageOfNodesToScore);
  const feasible: NodeInfo[] = [];
  const few = memory.fewOpenFrom(start);
  const looks = few?.length ?? total;
  let lastSlot = start;
  for (let index = 0; index < looks && feasible.length < wanted; index++) {
    const slot = few ? few[index]! : (start + index) % total;
    lastSlot = slot;
    if (memory.isRefused(slot)) continue;
    const node = nodes[slot]!;
    if (!recallOrEvaluate(cycle, node, memory)) feasible.push(node);
  }
  const evaluated = feasible.length < wanted ? total : ((lastSlot - start + total) % total) + 1;
  if (feasible.length === 0) {
    diagnosis.rejections = memory;
    for (const plugin of memory.blamed()) diagnosis.plugins.add(plugin);
  }
  return { feasible, evaluated, nextStart: (start + evaluated) % total };
}

function findFeasible({ cycle, diagnosis, options }: Search): Found {
  const { start, percentageOfNodesToScore = 0 } = options;
  const nodes = narrow(cycle, diagnosis);
  const wanted = nodesToFind(nodes.length, percentageOfNodesToScore);
  const feasible: NodeInfo[] = [];
  const rejections = new NodeRejections();
  diagnosis.rejections = rejections;
  let lastBlamed = '';
  const blame = (plugin: string) => {
    if (plugin === lastBlamed) return;
    lastBlamed = plugin;
    diagnosis.plugins.add(plugin);
  };
  let evaluated = 0;
  while (evaluated < nodes.length && feasible.length < wanted) {
    const node = nodes[(start + evaluated) % nodes.length]!;
    evaluated++;
    const rejection = runFilters(cycle, node, blame);
    if (rejection) rejections.add(node, rejection);
    else feasible.push(node);
  }
  return { feasible, evaluated, nextStart: nodes.length === 0 ? start : (start + evaluated) % nodes.length };
}

/** The nodes that the preFilter plugins left. */
function narrow({ snapshot, nodeNames, narrowedBy }: FilterCycle, diagnosis: Diagnosis): readonly NodeInfo[] {
  if (!nodeNames) return snapshot.nodes;
  diagnosis.absent = unresolvable(`node(s) didn't satisfy plugin(s) [${narrowedBy.sort().join(' ')}]`);
  for (const plugin of narrowedBy) diagnosis.plugins.add(plugin);
  const nodes: NodeInfo[] = [];
  for (const name of nodeNames) {
    const node = snapshot.node(name);
    if (node) nodes.push(node);
  }
  return nodes;
}

const feasibleNodesMin = 100;
const percentageMin = 5;

/** Upstream's sampling: enough nodes to choose well, few enough to be quick in a large cluster. */
export function nodesToFind(nodesTotal: number, percentage: number): number {
  if (nodesTotal < feasibleNodesMin || percentage >= 100) return nodesTotal;
  const adaptive = Math.max(percentageMin, 50 - Math.floor(nodesTotal / 125));
  return Math.max(feasibleNodesMin, Math.floor((nodesTotal * (percentage || adaptive)) / 100));
}

/** A pod that fits no node, and what has been found out so far. */
interface FailedSearch extends Pick<Search, 'snapshot' | 'pod' | 'diagnosis' | 'options'> {
  /** Absent when no filter was called, because this plugin had refused the pod before. */
  cycle?: FilterCycle;
  refusedBy?: string;
  memory?: ShapeMemory | undefined;
}

const noFilters: Omit<FilterCycle, 'pod' | 'snapshot'> = {
  active: [],
  states: [],
  nodeNames: undefined,
  narrowedBy: [],
  isNodeLocal: false,
};

function timedPostFilter(failed: FailedSearch): PostFilterOutcome | undefined {
  const { profile, timed = untimed } = failed.options;
  const ended = timed('PostFilter');
  const outcome = runPostFilter(profile, failed);
  ended(outcome?.nominatedNode ? 'Success' : 'Unschedulable');
  return outcome;
}

/** Calls the postFilter plugins until one has made room; otherwise their reasons become the pod's message. */
function runPostFilter(profile: Profile, failed: FailedSearch): PostFilterOutcome | undefined {
  const { snapshot, pod, diagnosis, memory, refusedBy } = failed;
  const cycle = failed.cycle ?? { ...noFilters, snapshot, pod };
  const { rejections } = diagnosis;
  let last: PostFilterOutcome | undefined;
  const messages: string[] = [];
  for (const { plugin } of profile.postFilter) {
    const outcome = plugin.postFilter!({
      pod,
      snapshot,
      rejections,
      absent: diagnosis.absent,
      memory,
      hasSeenPod: refusedBy === undefined || comesBefore(profile, plugin, refusedBy),
      hasRefusedPod: refusedBy === plugin.name,
      trial: (node) => createTrial(cycle, node),
    });
    if (outcome.nominatedNode || outcome.isFinal) return outcome;
    messages.push(outcome.message);
    last = { ...last, ...outcome };
  }
  return last && { ...last, message: messages.join(', ') };
}

/** Whether the plugin was called before (or is) the one that refused the pod in preFilter. */
function comesBefore({ preFilter }: Profile, plugin: Plugin, refusedBy: string): boolean {
  const asked = preFilter.findIndex((slot) => slot.plugin === plugin);
  return asked <= preFilter.findIndex((slot) => slot.plugin.name === refusedBy);
}
