/** A node must have room for a pod's requests; the strategy decides whether a fuller or an emptier node is better. */
import type { Node } from '../../api/resources.gen.ts';
import { NodeInfo } from '../framework/node-info.ts';
import { type Plugin, type Rejection, unresolvable, unschedulable } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { amountOf, isExtendedResource } from '../framework/resources.ts';
import { createStrategy, type ScoringStrategy, shareOf } from './resource-strategies.ts';

export interface NodeResourcesFitArgs {
  ignoredResources?: string[];
  /** Prefixes of extended resources, e.g. `example.com`. */
  ignoredResourceGroups?: string[];
  scoringStrategy?: ScoringStrategy;
}

const defaultScoringStrategy: ScoringStrategy = {
  type: 'LeastAllocated',
  resources: [
    { name: 'cpu', weight: 1 },
    { name: 'memory', weight: 1 },
  ],
};

export function nodeResourcesFit(args: NodeResourcesFitArgs = {}): Plugin {
  const strategy = args.scoringStrategy ?? defaultScoringStrategy;
  const rate = createStrategy(strategy);
  const ignored = createIgnored(args);
  return {
    name: 'NodeResourcesFit',
    isNodeLocal: true,
    retryRules: [
      { resource: 'AssignedPod', changes: ['delete', 'scaleDown'] },
      { resource: 'TargetPod', changes: ['scaleDown'] },
      {
        resource: 'Node',
        changes: ['add', 'allocatable'],
        helps: (pod, { current }) => !rejectUnfit(pod, new NodeInfo(current as Node), ignored),
      },
    ],
    filter: (pod, node) => rejectUnfit(pod, node, ignored),
    score: (pod, node) => rate((name) => shareOf(pod, node, name)),
  };
}

function rejectUnfit(
  info: PodInfo,
  node: NodeInfo,
  isIgnored: ((resource: string) => boolean) | undefined,
): Rejection | undefined {
  const { requests } = info;
  const { allocatable, requested } = node;
  if (
    node.pods.size < node.podsMax &&
    requests.milliCpu <= allocatable.milliCpu - requested.milliCpu &&
    requests.memory <= allocatable.memory - requested.memory &&
    requests.ephemeralStorage <= allocatable.ephemeralStorage - requested.ephemeralStorage &&
    !requests.scalar
  )
    return undefined;
  return explainUnfit(info, node, isIgnored);
}

/** The slow path: which resources are short, and whether evicting everything from the node would be enough. */
function explainUnfit(
  { requests }: PodInfo,
  { allocatable, requested, pods, podsMax }: NodeInfo,
  isIgnored: ((resource: string) => boolean) | undefined,
): Rejection | undefined {
  const short: string[] = [];
  if (pods.size + 1 > podsMax) short.push('Too many pods');
  let isHopeless = false;
  for (const name of ['cpu', 'memory', 'ephemeral-storage', ...(requests.scalar?.keys() ?? [])]) {
    const wanted = amountOf(requests, name);
    if (wanted === 0 || isIgnored?.(name)) continue;
    const total = amountOf(allocatable, name);
    if (wanted <= total - amountOf(requested, name)) continue;
    short.push(`Insufficient ${name}`);
    if (wanted > total) isHopeless = true;
  }
  if (short.length === 0) return undefined;
  return shared(short, { isHopeless });
}

/** Thousands of nodes give the same few answers: each is a shared object. */
const known = new Map<string, Rejection>();
const knownMax = 1_000;

function shared(reasons: string[], { isHopeless }: { isHopeless: boolean }): Rejection {
  const key = `${isHopeless}${reasons.join()}`;
  let rejection = known.get(key);
  if (!rejection) {
    if (known.size >= knownMax) known.clear();
    rejection = isHopeless ? unresolvable(...reasons) : unschedulable(...reasons);
    known.set(key, rejection);
  }
  return rejection;
}

function createIgnored(args: NodeResourcesFitArgs): ((resource: string) => boolean) | undefined {
  const names = new Set(args.ignoredResources);
  const groups = new Set(args.ignoredResourceGroups);
  if (names.size + groups.size === 0) return undefined;
  return (resource) =>
    isExtendedResource(resource) &&
    (names.has(resource) || groups.has(resource.slice(0, resource.indexOf('/'))));
}
