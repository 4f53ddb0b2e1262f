/** Places pods near or apart from other pods: required terms decide, preferred ones are scored. */
import type { Pod } from '../../api/resources.gen.ts';
import { type AffinityTerm, termMatches } from '../framework/affinity-term.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import {
  type Plugin,
  type PodChange,
  type Rejection,
  type Snapshot,
  scoreMax,
  skip,
  unresolvable,
  unschedulable,
} from '../framework/plugin.ts';
import type { Counts, PodSelection } from '../framework/pod-index.ts';
import { createPodInfo, type PodInfo } from '../framework/pod-info.ts';
import { TopologyCounts } from './topology-counts.ts';

export interface InterPodAffinityArgs {
  /** The weight of a placed pod's required affinity to the incoming one. */
  hardPodAffinityWeight?: number;
}

const affinityMismatch = unresolvable("node(s) didn't match pod affinity rules");
const antiAffinityMismatch = unschedulable("node(s) didn't match pod anti-affinity rules");
const existingAntiAffinity = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");

interface AffinityState {
  snapshot: Snapshot;
  /** One per required affinity term: where the pods are that all terms select. */
  near: TopologyCounts[];
  /** One per required anti-affinity term: where the pods are that it selects. */
  apart: TopologyCounts[];
  /** One per term of placed pods that keeps the incoming one away: where those pods are. */
  keptAway: KeptAway[];
  /** The first pod of a group with affinity to itself must start somewhere. */
  matchesItself: boolean;
}

interface KeptAway {
  term: AffinityTerm;
  counts: TopologyCounts;
}

interface Attraction {
  topologyKey: string;
  counts: Counts;
  weight: number;
}

export function interPodAffinity(args: InterPodAffinityArgs = {}): Plugin<AffinityState, Attraction[]> {
  const { hardPodAffinityWeight = 1 } = args;
  return {
    name: 'InterPodAffinity',
    retryRules: [
      {
        resource: 'AssignedPod',
        changes: ['add', 'labels'],
        helps: (pod, { current }) => isWanted(pod, current as Pod),
      },
      { resource: 'AssignedPod', changes: ['delete'], helps: (pod, { old }) => keepsApart(pod, old as Pod) },
      { resource: 'AssignedPod', changes: ['labels'], helps: (pod, { old }) => keepsApart(pod, old as Pod) },
      { resource: 'TargetPod', changes: ['labels'] },
      { resource: 'Node', changes: ['add', 'labels'] },
    ],
    preFilter(pod, snapshot) {
      const state = createState(pod, snapshot);
      const isIdle = state.near.length + state.apart.length + state.keptAway.length === 0;
      return isIdle ? skip : { kind: 'continue', state };
    },
    filter: (_, node, state) => rejectNode(node, state),
    cloneState: (state) => ({
      ...state,
      near: state.near.map((counts) => counts.clone()),
      apart: state.apart.map((counts) => counts.clone()),
      keptAway: state.keptAway.map(({ term, counts }) => ({ term, counts: counts.clone() })),
    }),
    changePod,
    preScore(pod, _nodes, snapshot) {
      const attractions = findAttractions(pod, snapshot, hardPodAffinityWeight);
      return attractions.length === 0 ? skip : { kind: 'continue', state: attractions };
    },
    score(_, node, attractions) {
      let score = 0;
      for (const { topologyKey, counts, weight } of attractions) {
        const value = node.labels[topologyKey];
        if (value !== undefined) score += (counts.get(value) ?? 0) * weight;
      }
      return score;
    },
    normalize: stretch,
  };
}

function createState(pod: PodInfo, snapshot: Snapshot): AffinityState {
  const { requiredAffinity, requiredAntiAffinity } = pod;
  const nearPods =
    requiredAffinity.length > 0 ? snapshot.pods.select(selectionOf(requiredAffinity, snapshot)) : undefined;
  const keptAway: KeptAway[] = [];
  for (const { term, counts } of snapshot.pods.carried('requiredAntiAffinity'))
    if (meansPod(term, pod, snapshot))
      keptAway.push({ term, counts: new TopologyCounts(term.topologyKey, counts) });
  return {
    snapshot,
    near: requiredAffinity.map(
      ({ topologyKey }) => new TopologyCounts(topologyKey, nearPods!.byTopology(topologyKey)),
    ),
    apart: requiredAntiAffinity.map(
      (term) =>
        new TopologyCounts(
          term.topologyKey,
          snapshot.pods.select(selectionOf([term], snapshot)).byTopology(term.topologyKey),
        ),
    ),
    keptAway,
    matchesItself: requiredAffinity.every((term) => meansPod(term, pod, snapshot)),
  };
}

/** The pods that all of the terms select. */
function selectionOf(terms: readonly AffinityTerm[], snapshot: Snapshot): PodSelection {
  const namespaceLabels = (name: string) => snapshot.namespaceLabels(name);
  return {
    key: terms.map(({ selectionKey }) => selectionKey).join('&'),
    livingOnly: false,
    required: terms.flatMap((term) => term.required),
    matches: (namespace, labels) =>
      terms.every((term) => termMatches(term, namespace, labels, namespaceLabels)),
  };
}

function meansPod(term: AffinityTerm, pod: PodInfo, snapshot: Pick<Snapshot, 'namespaceLabels'>): boolean {
  return termMatches(term, pod.namespace, pod.pod.metadata.labels, (name) => snapshot.namespaceLabels(name));
}

function rejectNode({ labels }: NodeInfo, state: AffinityState): Rejection | undefined {
  if (!hasCompany(labels, state)) return affinityMismatch;
  if (hasAny(labels, state.apart)) return antiAffinityMismatch;
  for (const { counts } of state.keptAway) if (hasSome(labels, counts)) return existingAntiAffinity;
  return undefined;
}

function hasCompany(labels: Record<string, string>, { near, matchesItself }: AffinityState): boolean {
  let isNear = true;
  for (const counts of near) {
    const value = labels[counts.topologyKey];
    if (value === undefined) return false;
    if (counts.get(value) <= 0) isNear = false;
  }
  return isNear || (matchesItself && near.every((counts) => counts.isEmpty));
}

function hasAny(labels: Record<string, string>, all: readonly TopologyCounts[]): boolean {
  for (const counts of all) if (hasSome(labels, counts)) return true;
  return false;
}

function hasSome(labels: Record<string, string>, counts: TopologyCounts): boolean {
  const value = labels[counts.topologyKey];
  return value !== undefined && counts.get(value) > 0;
}

function changePod(
  state: AffinityState,
  pod: PodInfo,
  { pod: changed, node: { labels }, by }: PodChange,
): void {
  const { snapshot, near, apart, keptAway } = state;
  const add = (counts: TopologyCounts) => {
    const value = labels[counts.topologyKey];
    if (value !== undefined) counts.add(value, by);
  };
  if (near.length > 0 && pod.requiredAffinity.every((term) => meansPod(term, changed, snapshot)))
    for (const counts of near) add(counts);
  for (const [index, term] of pod.requiredAntiAffinity.entries())
    if (meansPod(term, changed, snapshot)) add(apart[index]!);
  for (const term of changed.requiredAntiAffinity) {
    if (!meansPod(term, pod, snapshot)) continue;
    let known = keptAway.find((other) => isSameTerm(other.term, term));
    if (!known) {
      known = { term, counts: new TopologyCounts(term.topologyKey, new Map()) };
      keptAway.push(known);
    }
    add(known.counts);
  }
}

/** Such terms are counted together: a pod that goes must be subtracted where it was counted. */
function isSameTerm(left: AffinityTerm, right: AffinityTerm): boolean {
  return left.topologyKey === right.topologyKey && left.selectionKey === right.selectionKey;
}

/** Everything that attracts the pod to a topology, or (with a negative weight) repels it. */
function findAttractions(pod: PodInfo, snapshot: Snapshot, hardWeight: number): Attraction[] {
  const attractions: Attraction[] = [];
  const { pods } = snapshot;
  for (const [terms, sign] of [
    [pod.preferredAffinity, 1],
    [pod.preferredAntiAffinity, -1],
  ] as const)
    for (const { term, weight } of terms) {
      const counts = pods.select(selectionOf([term], snapshot)).byTopology(term.topologyKey);
      if (counts.size > 0) attractions.push({ topologyKey: term.topologyKey, counts, weight: sign * weight });
    }
  for (const [kind, factor] of [
    ['requiredAffinity', hardWeight],
    ['preferredAffinity', 1],
    ['preferredAntiAffinity', -1],
  ] as const)
    for (const { term, counts, weight } of pods.carried(kind))
      if (factor !== 0 && meansPod(term, pod, snapshot))
        attractions.push({ topologyKey: term.topologyKey, counts, weight: weight * factor });
  return attractions;
}

/** Scales the lowest to 0, the highest to 100. */
function stretch(scores: Float64Array): void {
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const score of scores) {
    lowest = Math.min(lowest, score);
    highest = Math.max(highest, score);
  }
  const span = highest - lowest;
  for (let index = 0; index < scores.length; index++)
    scores[index] = span === 0 ? 0 : Math.floor((scoreMax * (scores[index]! - lowest)) / span);
}

/** A hint cannot look up namespaces; a term with a namespace selector may mean any. */
const anyNamespace = { namespaceLabels: () => undefined };

function meansPodPerhaps(term: AffinityTerm, pod: PodInfo): boolean {
  return term.namespaceSelector ? term.selector(pod.pod.metadata.labels) : meansPod(term, pod, anyNamespace);
}

function isWanted(pod: PodInfo, arrived: Pod): boolean {
  if (pod.requiredAffinity.length === 0) return false;
  const info = createPodInfo(arrived);
  return pod.requiredAffinity.every((term) => meansPodPerhaps(term, info));
}

function keepsApart(pod: PodInfo, gone: Pod): boolean {
  const info = createPodInfo(gone);
  return (
    pod.requiredAntiAffinity.some((term) => meansPodPerhaps(term, info)) ||
    info.requiredAntiAffinity.some((term) => meansPodPerhaps(term, pod))
  );
}
