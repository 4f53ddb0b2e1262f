/** When a pod fits nowhere: finds the node where evicting the fewest and least important pods makes room. */
import { type Pod, PodDisruptionBudget } from '../../api/resources.gen.ts';
import type { Random } from '../../base/random.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { describeDiagnosis } from '../framework/diagnosis.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { NodeRejections } from '../framework/node-rejections.ts';
import {
  type Plugin,
  type PostFilterContext,
  type PostFilterOutcome,
  unresolvable,
} from '../framework/plugin.ts';
import type { ShapeMemory } from '../framework/shape-memory.ts';
import { CandidatePool } from './candidate-pool.ts';
import { type Budget, type Candidate, findVictims, isBetter, readBudget } from './preemption-victims.ts';

export interface DefaultPreemptionArgs {
  /** The share of nodes that are evaluated before the best is chosen. */
  minCandidateNodesPercentage?: number;
  minCandidateNodesAbsolute?: number;
}

const notHelpful = unresolvable('Preemption is not helpful for scheduling');

export function defaultPreemption(
  { informers, random }: { informers: InformerFactory; random: Random },
  args: DefaultPreemptionArgs = {},
): Plugin {
  const budgets = informers.of(PodDisruptionBudget);
  return {
    name: 'DefaultPreemption',
    postFilter(context) {
      const unwilling = whyNotEligible(context);
      if (unwilling) return { victims: [], message: `preemption: ${unwilling}` };
      return preempt(context, [...budgets.list()].map(readBudget), random, args);
    },
  };
}

/** A pod that has already evicted others waits for them to be gone. */
function whyNotEligible({ pod, snapshot, rejections, absent }: PostFilterContext): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nominated = snapshot.nominatedNodeOf(pod.uid) ?? pod.pod.status?.nominatedNodeName;
  const node = nominated ? snapshot.node(nominated) : undefined;
  if (!node) return undefined;
  if ((rejections.get(node.name) ?? absent)?.code === 'unresolvable') return undefined;
  for (const other of node.pods.values())
    if (other.priority < pod.priority && isBeingPreempted(other.pod))
      return 'not eligible due to a terminating pod on the nominated node.';
  return undefined;
}

function isBeingPreempted({ metadata, status }: Pod): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    (status?.conditions?.some(
      ({ type, status: value, reason }) =>
        type === 'DisruptionTarget' && value === 'True' && reason === 'PreemptionByScheduler',
    ) ??
      false)
  );
}

function preempt(
  context: PostFilterContext,
  budgets: readonly Budget[],
  random: Random,
  args: DefaultPreemptionArgs,
): PostFilterOutcome {
  const { pod, snapshot, memory } = context;
  // Budgets change a node's answer even when the node does not change.
  const { best, failures } =
    memory && budgets.length === 0
      ? pickRemembered(context, memory, random, args)
      : pickAnew(context, budgets, random, args);
  if (best) return { nominatedNode: best.node.name, victims: best.victims, message: '' };
  const diagnosis = {
    nodesTotal: snapshot.nodes.length,
    rejections: failures,
    absent: notHelpful,
    preFilterMessage: undefined,
    plugins: new Set<string>(),
  };
  const wasNominated = snapshot.nominatedNodeOf(pod.uid) ?? pod.pod.status?.nominatedNodeName;
  const nominatedNode = wasNominated ? { nominatedNode: '' } : {};
  return { ...nominatedNode, victims: [], message: `preemption: ${describeDiagnosis(diagnosis)}` };
}

interface Picked {
  best: Candidate | undefined;
  /** Why nodes are no candidates; complete when there is none at all. */
  failures: NodeRejections;
}

/** Nodes whose victims for a pod of this shape are known, and that have not changed since, are not evaluated again. */
function pickRemembered(
  context: PostFilterContext,
  memory: ShapeMemory,
  random: Random,
  args: DefaultPreemptionArgs,
): Picked {
  const { nodes } = memory;
  const pool = memory.companion('DefaultPreemption', () => new CandidatePool(nodes.length));
  let promising = 0;
  for (const [{ code }, count] of memory.tally()) if (code === 'unschedulable') promising += count;
  const ask = (slot: number) =>
    memory.rejectionAt(slot)?.code === 'unschedulable' ? findVictims(context, nodes[slot]!, []) : undefined;
  pool.fill(candidatesWanted(promising, args), random, ask);
  const best = pool.best();
  const failures = new NodeRejections();
  if (!best) for (const [slot, why] of pool.failures()) failures.add(nodes[slot]!, why);
  return { best, failures };
}

function pickAnew(
  context: PostFilterContext,
  budgets: readonly Budget[],
  random: Random,
  args: DefaultPreemptionArgs,
): Picked {
  const failures = new NodeRejections();
  const nodes = promisingNodes(context);
  const offset = Math.floor(random.next() * nodes.length);
  const wanted = candidatesWanted(nodes.length, args);
  const candidates = findCandidates(context, { nodes, offset, wanted, budgets }, failures);
  let best = candidates[0];
  for (const candidate of candidates) if (best && isBetter(candidate, best)) best = candidate;
  return { best, failures };
}

/** Nodes that refused the pod for something that evictions could change. */
function promisingNodes({ snapshot, rejections, absent }: PostFilterContext): NodeInfo[] {
  const refused: NodeInfo[] = [];
  const evaluated = new Set<NodeInfo>();
  for (const [node, { code }] of rejections.entries()) {
    evaluated.add(node);
    if (code === 'unschedulable') refused.push(node);
  }
  if (absent?.code !== 'unschedulable') return refused;
  return [...refused, ...snapshot.nodes.filter((node) => !evaluated.has(node))];
}

/** How many candidate nodes are enough to choose from. */
function candidatesWanted(promising: number, args: DefaultPreemptionArgs): number {
  const { minCandidateNodesPercentage = 10, minCandidateNodesAbsolute = 100 } = args;
  return Math.max(Math.floor((promising * minCandidateNodesPercentage) / 100), minCandidateNodesAbsolute);
}

interface CandidateSearch {
  nodes: readonly NodeInfo[];
  /** Of the node to begin with. */
  offset: number;
  wanted: number;
  budgets: readonly Budget[];
}

/** From one node on, until there are enough candidates. */
function findCandidates(
  context: PostFilterContext,
  { nodes, offset, wanted, budgets }: CandidateSearch,
  failures: NodeRejections,
): Candidate[] {
  const candidates: Candidate[] = [];
  let harmless = 0;
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes[(offset + index) % nodes.length]!;
    const found = findVictims(context, node, budgets);
    if (!('victims' in found)) {
      failures.add(node, found);
      continue;
    }
    candidates.push(found);
    if (found.violations === 0) harmless++;
    if (harmless > 0 && candidates.length >= wanted) break;
  }
  return candidates;
}
