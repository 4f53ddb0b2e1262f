/** A node must have room for a pod's requests; the strategy decides whether a fuller or an emptier node is better. */
import { classResourcePrefix } from '../../api/resource/extended-resources.ts';
import type { DeviceClass, Node } from '../../api/resources.gen.ts';
import type { ResourceClasses } from '../devices/resource-classes.ts';
import { NodeInfo } from '../framework/node-info.ts';
import {
  type ClusterEvent,
  type Plugin,
  type Rejection,
  unresolvable,
  unschedulable,
} from '../framework/plugin.ts';
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

/** Of what the pod may be short of without being refused here. */
interface Exempt {
  isIgnored: ((resource: string) => boolean) | undefined;
  /** Devices provide the resource where no plugin does, which another plugin checks. */
  isOfDevices: (resource: string) => boolean;
}

/** `classes`: absent: there are no devices. */
export function nodeResourcesFit(
  args: NodeResourcesFitArgs = {},
  classes?: Pick<ResourceClasses, 'of'>,
): Plugin {
  const strategy = args.scoringStrategy ?? defaultScoringStrategy;
  const rate = createStrategy(strategy);
  const exempt: Exempt = {
    isIgnored: createIgnored(args),
    isOfDevices: (resource) => classes?.of(resource) !== undefined,
  };
  return {
    name: 'NodeResourcesFit',
    isNodeLocal: true,
    retryRules: [
      { resource: 'AssignedPod', changes: ['delete', 'scaleDown'] },
      { resource: 'TargetPod', changes: ['scaleDown'] },
      {
        resource: 'Node',
        changes: ['add', 'allocatable'],
        helps: (pod, { current }) => !rejectUnfit(pod, new NodeInfo(current as Node), exempt),
      },
      { resource: 'DeviceClass', changes: ['add', 'update'], helps: providesMore },
    ],
    // Remembered only for pods without resources of any class: for others, a filter of devices applies, too.
    filter: (pod, node) => rejectUnfit(pod, node, exempt),
    score: (pod, node) => rate((name) => shareOf(pod, node, name)),
  };
}

/** A class now provides a resource that the pod wants. */
function providesMore({ requests }: PodInfo, { old, current }: ClusterEvent): boolean {
  const { metadata, spec } = current as DeviceClass;
  const before = old as DeviceClass | undefined;
  const wants = (name: string | undefined) => name !== undefined && requests.scalar?.has(name) === true;
  if (before && before.spec.extendedResourceName === spec.extendedResourceName) return false;
  return wants(spec.extendedResourceName) || (!before && wants(classResourcePrefix + metadata.name));
}

function rejectUnfit(info: PodInfo, node: NodeInfo, exempt: Exempt): Rejection | undefined {
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
  return explainUnfit(info, node, exempt);
}

/** The slow path: which resources are short, and whether evicting everything from the node would be enough. */
function explainUnfit(
  { requests }: PodInfo,
  { allocatable, requested, pods, podsMax }: NodeInfo,
  { isIgnored, isOfDevices }: Exempt,
): Rejection | undefined {
  const short: string[] = [];
  if (pods.size + 1 > podsMax) short.push('Too many pods');
  let isHopeless = false;
  for (const name of ['cpu', 'memory', 'ephemeral-storage', ...(requests.scalar?.keys() ?? [])]) {
    const wanted = amountOf(requests, name);
    if (wanted === 0 || isIgnored?.(name)) continue;
    const total = amountOf(allocatable, name);
    if (total === 0 && isOfDevices(name)) continue;
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
