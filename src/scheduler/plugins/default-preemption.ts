/** When a pod fits nowhere: finds the node where evicting the fewest and least important pods makes room. */
import { compileLabelSelector, type LabelPredicate } from '../../api/label-selector.ts';
import { type Pod, PodDisruptionBudget } from '../../api/resources.gen.ts';
import type { Random } from '../../base/random.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { describeDiagnosis } from '../framework/diagnosis.ts';
import { isPromisedTo } from '../framework/filtering.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { NodeRejections } from '../framework/node-rejections.ts';
import {
  type Plugin,
  type PostFilterContext,
  type PostFilterOutcome,
  type Rejection,
  unresolvable,
} from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';

export interface DefaultPreemptionArgs {
  /** Of the nodes, how many are looked at before the best is taken. */
  minCandidateNodesPercentage?: number;
  minCandidateNodesAbsolute?: number;
}

/** A budget as far as preemption asks. */
export interface Budget {
  namespace: string;
  matches: LabelPredicate;
  disruptionsAllowed: number;
  /** Names of pods whose eviction the budget has counted already. */
  disrupted: ReadonlySet<string>;
}

interface Candidate {
  node: NodeInfo;
  /** The most important first. */
  victims: PodInfo[];
  violations: number;
  /** Upstream's order of questions; lower is better, and each counts only where those before are equal. */
  ranks: readonly number[];
  /** When the most important victims began, the earliest of them: of what is left, later is better. */
  start: string;
}

const noVictims = unresolvable('No preemption victims found for incoming pod');
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

function readBudget(budget: PodDisruptionBudget): Budget {
  const { selector } = budget.spec ?? {};
  const isEmpty = !selector?.matchLabels && !selector?.matchExpressions?.length;
  return {
    namespace: budget.metadata.namespace ?? '',
    matches: isEmpty ? () => false : compileLabelSelector(selector),
    disruptionsAllowed: budget.status?.disruptionsAllowed ?? 0,
    disrupted: new Set(Object.keys(budget.status?.disruptedPods ?? {})),
  };
}

/** A pod that has evicted others already waits for them to be gone. */
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
  const { pod, snapshot } = context;
  const failures = new NodeRejections();
  const candidates = findCandidates(context, promisingNodes(context), budgets, random, args, failures);
  const best = pickCandidate(candidates);
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

/** Those that refused the pod for something that evicting others could change. */
function promisingNodes({ snapshot, rejections, absent }: PostFilterContext): NodeInfo[] {
  const refused = rejections.nodes.filter(
    (_, index) => rejections.rejections[index]!.code === 'unschedulable',
  );
  if (absent?.code !== 'unschedulable') return refused;
  const judged = new Set(rejections.nodes);
  return [...refused, ...snapshot.nodes.filter((node) => !judged.has(node))];
}

/** From a random node on, until enough nodes are found where room can be made. */
function findCandidates(
  context: PostFilterContext,
  nodes: readonly NodeInfo[],
  budgets: readonly Budget[],
  random: Random,
  args: DefaultPreemptionArgs,
  failures: NodeRejections,
): Candidate[] {
  const { minCandidateNodesPercentage = 10, minCandidateNodesAbsolute = 100 } = args;
  const share = Math.floor((nodes.length * minCandidateNodesPercentage) / 100);
  const wanted = Math.max(share, minCandidateNodesAbsolute);
  const offset = Math.floor(random.next() * nodes.length);
  const candidates: Candidate[] = [];
  let harmless = 0;
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes[(offset + index) % nodes.length]!;
    const found = recallVictims(context, node, budgets);
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

/** From memory when a pod of the same shape asked since the node last changed. */
function recallVictims(
  context: PostFilterContext,
  node: NodeInfo,
  budgets: readonly Budget[],
): Candidate | Rejection {
  const { pod, snapshot } = context;
  const isLocal = context.isNodeLocal && budgets.length === 0 && !isPromisedTo(pod, node, snapshot);
  const { memo } = node;
  if (!isLocal || memo?.shape !== pod.shape) return findVictims(context, node, budgets);
  memo!.victims ??= findVictims(context, node, budgets);
  return memo!.victims as Candidate | Rejection;
}

/** The fewest pods that have to go from a node; the important ones are spared first. */
function findVictims(
  context: PostFilterContext,
  node: NodeInfo,
  budgets: readonly Budget[],
): Candidate | Rejection {
  const { pod } = context;
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority);
  if (lower.length === 0) return noVictims;
  const trial = context.trial(node);
  for (const other of lower) trial.removePod(other);
  const stillRefused = trial.verdict();
  if (stillRefused) return stillRefused;

  const [protectedPods, others] = splitByBudgets(lower.sort(byImportance), budgets);
  const victims: PodInfo[] = [];
  const spare = (candidate: PodInfo): boolean => {
    trial.addPod(candidate);
    if (!trial.verdict()) return true;
    trial.removePod(candidate);
    victims.push(candidate);
    return false;
  };
  const violations = protectedPods.filter((candidate) => !spare(candidate)).length;
  for (const candidate of others) spare(candidate);
  if (victims.length === 0) return noVictims;
  return createCandidate(node, victims.sort(byImportance), violations);
}

/** Higher priority first; of equals the one that has run longer. */
function byImportance(left: PodInfo, right: PodInfo): number {
  if (left.priority !== right.priority) return right.priority - left.priority;
  return startOf(left).localeCompare(startOf(right));
}

/** RFC 3339 in UTC sorts as text; a pod that has not started is newer than all that have. */
function startOf({ pod }: PodInfo): string {
  return pod.status?.startTime ?? '~';
}

/** Those whose eviction would break a budget, and those whose would not, counting in order. */
export function splitByBudgets(
  pods: readonly PodInfo[],
  budgets: readonly Budget[],
): [violating: PodInfo[], others: PodInfo[]] {
  const left = budgets.map(({ disruptionsAllowed }) => disruptionsAllowed);
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    let isViolating = false;
    for (const [index, budget] of budgets.entries()) {
      const { labels, name } = info.pod.metadata;
      if (budget.namespace !== info.namespace || !labels || !budget.matches(labels)) continue;
      if (budget.disrupted.has(name)) continue;
      left[index]!--;
      if (left[index]! < 0) isViolating = true;
    }
    (isViolating ? violating : others).push(info);
  }
  return [violating, others];
}

function createCandidate(node: NodeInfo, victims: PodInfo[], violations: number): Candidate {
  const { priority } = victims[0]!;
  // Raised so that a negative priority still makes each further victim cost something.
  const cost = victims.reduce((sum, victim) => sum + victim.priority + 2 ** 31 + 1, 0);
  const starts = victims.filter((victim) => victim.priority === priority).map(startOf);
  return {
    node,
    victims,
    violations,
    ranks: [violations, priority, cost, victims.length],
    start: starts.sort()[0]!,
  };
}

function pickCandidate(candidates: readonly Candidate[]): Candidate | undefined {
  let best = candidates[0];
  for (const candidate of candidates) if (best && isBetter(candidate, best)) best = candidate;
  return best;
}

function isBetter(left: Candidate, right: Candidate): boolean {
  for (let index = 0; index < left.ranks.length; index++) {
    const difference = left.ranks[index]! - right.ranks[index]!;
    if (difference !== 0) return difference < 0;
  }
  return left.start > right.start;
}
