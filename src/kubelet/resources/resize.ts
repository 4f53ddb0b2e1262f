/**
 * Whether the node can give a running pod the resources that it now asks for, and the pod as it is until then. Pure.
 */
import { computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import { wholeValueOf } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { type AdmissionInputs, refuseResources } from '../node/admission.ts';
import { qosClassOf } from './qos.ts';

/** Infeasible: never on this node; Deferred: once other pods have gone. */
export interface ResizeProblem {
  reason: 'Infeasible' | 'Deferred';
  message: string;
}

/** Later ones take precedence, as upstream. */
const resizable = ['cpu', 'memory'] as const;

export function findResizeProblem(
  pod: Pod,
  inputs: Pick<AdmissionInputs, 'allocatable' | 'others'>,
): ResizeProblem | undefined {
  const requests = computePodRequests(pod, numericAmounts);
  let infeasible: string | undefined;
  for (const name of resizable) {
    const requested = requests.get(name) ?? 0;
    const capacity = numericAmounts.parse(name, inputs.allocatable[name] ?? '0');
    if (requested > capacity)
      infeasible = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`;
  }
  if (infeasible !== undefined) return { reason: 'Infeasible', message: infeasible };
  const refusal = refuseResources(pod, inputs);
  return refusal && { reason: 'Deferred', message: refusal.message };
}

/** A pod that asks for other resources than it has. */
export interface WaitingResize {
  pod: Pod;
  /** The pod with the resources granted so far. */
  granted: Pod;
  /** When it was first deferred; undefined: it was not. */
  sinceMs?: number | undefined;
}

/** Upstream's order: resizes that ask for no more; by priority; guaranteed pods; the longest wait. */
export function inTurn(waiting: readonly WaitingResize[]): WaitingResize[] {
  const ranks = ({ pod, granted, sinceMs }: WaitingResize) => [
    asksForMore(pod, granted) ? 1 : 0,
    -(pod.spec.priority ?? 0),
    qosClassOf(pod) === 'Guaranteed' ? 0 : 1,
    sinceMs ?? Number.POSITIVE_INFINITY,
  ];
  return waiting
    .map((one) => ({ one, ranks: ranks(one) }))
    .sort((left, right) => compareRanks(left.ranks, right.ranks))
    .map(({ one }) => one);
}

function compareRanks(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((rank, position) => rank !== right[position]);
  return index < 0 ? 0 : left[index]! - right[index]!;
}

function asksForMore(pod: Pod, granted: Pod): boolean {
  const now = computePodRequests(pod, numericAmounts);
  const before = computePodRequests(granted, numericAmounts);
  return resizable.some((name) => (now.get(name) ?? 0) > (before.get(name) ?? 0));
}

export interface ResizeTurn {
  problem: ResizeProblem | undefined;
  /** Uids of pods whose resize can be granted, and comes first. */
  sooner: string[];
}

/** Whether it is this pod's turn, and its resize can be granted. `waiting` includes the pod. */
export function findResizeTurn(
  uid: string,
  waiting: readonly WaitingResize[],
  { allocatable, admitted }: { allocatable: Record<string, string>; admitted: readonly Pod[] },
): ResizeTurn {
  const sooner = new Map<string, Pod>();
  for (const { pod } of inTurn(waiting)) {
    const own = pod.metadata.uid;
    const others = (choose: (before: Pod, after: Pod) => Pod) =>
      admitted
        .filter(({ metadata }) => metadata.uid !== own)
        .map((other) => choose(other, sooner.get(other.metadata.uid) ?? other));
    const problem = findResizeProblem(pod, { allocatable, others: others((_, after) => after) });
    if (own === uid)
      return { problem: problem ?? findObstruction(pod, allocatable, others), sooner: [...sooner.keys()] };
    if (!problem) sooner.set(own, pod);
  }
  return { problem: undefined, sooner: [...sooner.keys()] };
}

/**
 * Why a pod cannot have its resize before those whose turn comes first have theirs: until each of them has given up what
 * it no longer asks for, there would not be enough for the rest of them.
 */
function findObstruction(
  pod: Pod,
  allocatable: Record<string, string>,
  others: (choose: (before: Pod, after: Pod) => Pod) => Pod[],
): ResizeProblem | undefined {
  for (const name of resizable) {
    const requested = (one: Pod) => computePodRequests(one, numericAmounts).get(name) ?? 0;
    const larger = (before: Pod, after: Pod) => (requested(after) > requested(before) ? after : before);
    const problem = findResizeProblem(pod, { allocatable, others: others(larger) });
    if (problem) return problem;
  }
  return undefined;
}

/** Bytes in use, of the pod and of its running containers by name. */
export interface MemoryUse {
  pod: number;
  containers: ReadonlyMap<string, number>;
}

/** Names of the running containers whose memory limit is reduced without a restart. */
export function shrinkingContainers(before: Pod, wanted: Pod, running: ReadonlySet<string>): string[] {
  const limits = new Map(
    allContainers(before).map(({ name, resources }) => [name, resources?.limits?.memory]),
  );
  return allContainers(wanted).flatMap(({ name, resources, resizePolicy }) => {
    const [old, now] = [limits.get(name), resources?.limits?.memory];
    const restarts = resizePolicy?.some(
      ({ resourceName, restartPolicy }) => resourceName === 'memory' && restartPolicy === 'RestartContainer',
    );
    const isLess = now !== undefined && (old === undefined || wholeValueOf(now) < wholeValueOf(old));
    return isLess && running.has(name) && !restarts ? [name] : [];
  });
}

/** Why limits cannot be reduced: what already uses more would be killed. `podLimitBytes`: if that is reduced, too. */
export function findMemoryProblem(
  wanted: Pod,
  shrinking: readonly string[],
  podLimitBytes: number | undefined,
  use: MemoryUse,
): string | undefined {
  const problems: string[] = [];
  if (podLimitBytes !== undefined && use.pod >= podLimitBytes)
    problems.push(`attempting to set pod memory limit (${podLimitBytes}) below current usage (${use.pod})`);
  for (const { name, resources } of allContainers(wanted)) {
    if (!shrinking.includes(name)) continue;
    const limit = wholeValueOf(resources?.limits?.memory ?? '0');
    const used = use.containers.get(name) ?? 0;
    if (used >= limit)
      problems.push(
        `attempting to set container "${name}" memory limit (${limit}) below current usage (${used})`,
      );
  }
  if (problems.length < 2) return problems[0];
  return `[${problems.join(', ')}]`;
}

function allContainers({ spec }: Pod): core.Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

/** Used in place of a container name, for the pod as a whole. */
export const wholePod = '';

/** The pod with the granted resources of pod and containers in place of the requested ones. */
export function withResources(pod: Pod, granted: ReadonlyMap<string, core.ResourceRequirements>): Pod {
  const grant = <C extends core.Container>(container: C): C => {
    const resources = granted.get(container.name);
    return resources === undefined ? container : { ...container, resources };
  };
  const { containers, initContainers } = pod.spec;
  const resources = granted.get(wholePod);
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(resources && (pod.spec.resources || Object.keys(resources).length > 0) && { resources }),
      containers: containers.map(grant),
      ...(initContainers && { initContainers: initContainers.map(grant) }),
    },
  };
}

export function sameResources(a: core.ResourceRequirements = {}, b: core.ResourceRequirements = {}): boolean {
  return sameAmounts(a.requests, b.requests) && sameAmounts(a.limits, b.limits);
}

function sameAmounts(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
