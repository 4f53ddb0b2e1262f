/** Prefers nodes on which the pod brings the utilization of the resources closer together. */
import type { NodeInfo } from '../framework/node-info.ts';
import { type Plugin, scoreMax, skip } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { amountOf } from '../framework/resources.ts';

export interface BalancedAllocationArgs {
  resources?: { name: string }[];
}

export function nodeResourcesBalancedAllocation(
  args: BalancedAllocationArgs = {},
): Plugin<unknown, undefined> {
  const names = (args.resources ?? [{ name: 'cpu' }, { name: 'memory' }]).map(({ name }) => name);
  return {
    name: 'NodeResourcesBalancedAllocation',
    isNodeLocal: true,
    // A pod that requests none of the resources does not change the balance.
    preScore: ({ requests }) =>
      names.every((name) => amountOf(requests, name) === 0) ? skip : { kind: 'continue', state: undefined },
    score: (pod, node) => Math.floor(balance(names, node, pod) * scoreMax),
  };
}

/** 1 when all resources are utilized alike, less the further apart they are. */
function balance(names: readonly string[], node: NodeInfo, pod: PodInfo): number {
  const fractions: number[] = [];
  let sum = 0;
  for (const name of names) {
    const capacity = amountOf(node.allocatable, name);
    if (capacity === 0) continue;
    const used = amountOf(node.requested, name) + amountOf(pod.requests, name);
    const fraction = Math.min(1, used / capacity);
    fractions.push(fraction);
    sum += fraction;
  }
  if (fractions.length === 2) return 1 - Math.abs(fractions[0]! - fractions[1]!) / 2;
  if (fractions.length < 2) return 1;
  const mean = sum / fractions.length;
  const variance =
    fractions.reduce((total, fraction) => total + (fraction - mean) ** 2, 0) / fractions.length;
  return 1 - Math.sqrt(variance);
}
