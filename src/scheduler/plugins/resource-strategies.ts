/** Turns the utilization of a node into a score: least allocated, most allocated, or a user-defined shape. */
import type { NodeInfo } from '../framework/node-info.ts';
import { scoreMax } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { amountOf } from '../framework/resources.ts';

export interface ScoringStrategy {
  type: 'LeastAllocated' | 'MostAllocated' | 'RequestedToCapacityRatio';
  resources: readonly { name: string; weight?: number }[];
  requestedToCapacityRatio?: { shape: readonly { utilization: number; score: number }[] };
}

/** The amounts that would be in use with the pod there, and the capacity. */
export interface Share {
  requested: number;
  capacity: number;
}

/** A resource's utilization on a node once the pod is there; undefined when it does not concern the pod. */
export function shareOf(info: PodInfo, node: NodeInfo, name: string): Share | undefined {
  if (name === 'cpu')
    return {
      requested: node.scoredRequested.milliCpu + info.scoredRequests.milliCpu,
      capacity: node.allocatable.milliCpu,
    };
  if (name === 'memory')
    return {
      requested: node.scoredRequested.memory + info.scoredRequests.memory,
      capacity: node.allocatable.memory,
    };
  const wanted = amountOf(info.requests, name);
  if (wanted === 0 && name !== 'ephemeral-storage') return undefined;
  return { requested: amountOf(node.requested, name) + wanted, capacity: amountOf(node.allocatable, name) };
}

type Rate = (shareOf: (name: string) => Share | undefined) => number;

/** The weighted mean of what `strategy` gives for each resource, 0 to 100. */
export function createStrategy(strategy: ScoringStrategy): Rate {
  const rateShare = shareRates[strategy.type](strategy);
  const isRounded = strategy.type === 'RequestedToCapacityRatio';
  const resources = strategy.resources.map(({ name, weight }) => ({ name, weight: weight || 1 }));
  return (share) => {
    let total = 0;
    let weights = 0;
    for (const { name, weight } of resources) {
      const amounts = share(name);
      if (!amounts || amounts.capacity === 0) continue;
      const score = rateShare(amounts);
      if (isRounded && score <= 0) continue;
      total += score * weight;
      weights += weight;
    }
    if (weights === 0) return 0;
    return isRounded ? Math.round(total / weights) : Math.floor(total / weights);
  };
}

type ShareRate = (share: Share) => number;

const shareRates: Record<ScoringStrategy['type'], (strategy: ScoringStrategy) => ShareRate> = {
  LeastAllocated:
    () =>
    ({ requested, capacity }) =>
      requested > capacity ? 0 : Math.floor(((capacity - requested) * scoreMax) / capacity),
  MostAllocated:
    () =>
    ({ requested, capacity }) =>
      Math.floor((Math.min(requested, capacity) * scoreMax) / capacity),
  RequestedToCapacityRatio: (strategy) => {
    // The user's shape scores 0 to 10.
    const shape = (strategy.requestedToCapacityRatio?.shape ?? []).map(({ utilization, score }) => ({
      utilization,
      score: score * (scoreMax / 10),
    }));
    const interpolate = brokenLine(shape);
    return ({ requested, capacity }) =>
      requested > capacity ? interpolate(100) : interpolate(Math.floor((requested * 100) / capacity));
  },
};

/** The line through the points; flat before the first and after the last. */
function brokenLine(points: readonly { utilization: number; score: number }[]): (at: number) => number {
  return (at) => {
    for (const [index, point] of points.entries()) {
      if (at > point.utilization) continue;
      const before = points[index - 1];
      if (!before) return point.score;
      const span = point.utilization - before.utilization;
      return before.score + Math.trunc(((point.score - before.score) * (at - before.utilization)) / span);
    }
    return points.at(-1)?.score ?? 0;
  };
}
