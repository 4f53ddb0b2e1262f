/** Makes room for a critical pod that was bound to a full node: which pods make way. Pure. */
import { computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { isCriticalPod, qosClassOf } from '../resources/qos.ts';

const qosOrder = { BestEffort: 0, Burstable: 1, Guaranteed: 2 } as const;

/** `missing`: amounts by resource. Undefined: even without all pods of lower rank there is no room. */
export function planPreemption(
  pod: Pod,
  missing: Readonly<Record<string, number>>,
  others: readonly Pod[],
): Pod[] | undefined {
  if (!isCriticalPod(pod)) return undefined;
  const candidates = others
    .filter((other) => !isCriticalPod(other) && (other.spec.priority ?? 0) < (pod.spec.priority ?? 0))
    .sort(
      (a, b) =>
        qosOrder[qosClassOf(a)] - qosOrder[qosClassOf(b)] || (a.spec.priority ?? 0) - (b.spec.priority ?? 0),
    );
  const left = new Map(Object.entries(missing));
  const victims: Pod[] = [];
  for (const candidate of candidates) {
    if ([...left.values()].every((amount) => amount <= 0)) break;
    const requests = computePodRequests(candidate, numericAmounts);
    const frees = (name: string) => (name === 'pods' ? 1 : (requests.get(name) ?? 0));
    if (![...left].some(([name, amount]) => amount > 0 && frees(name) > 0)) continue;
    for (const [name, amount] of left) left.set(name, amount - frees(name));
    victims.push(candidate);
  }
  return [...left.values()].every((amount) => amount <= 0) ? victims : undefined;
}
