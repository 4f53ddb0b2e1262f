/** Which pods are deleted first when there are too many: upstream's ranking. */
import type { Pod } from '../../../api/resources.gen.ts';
import { deletionCostAnnotation } from '../../../api/well-known.ts';
import { byRestarts, byStage, createdMs, readySinceMs } from '../../pods/pod-order.ts';
import { isPodActive, isPodReady } from '../../pods/pod-state.ts';

/**
 * `pods` in the order of deletion. `related`: all pods of the owner's own owner, a Deployment as a rule; a pod goes sooner
 * the more of them share its node. None where the owner has no owner: then it does not count who shares a node.
 */
export function inDeletionOrder(pods: readonly Pod[], related: readonly Pod[], nowMs: number): Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec?.nodeName;
    if (node && isPodActive(pod)) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const doubled = (pod: Pod) => perNode.get(pod.spec?.nodeName ?? '') ?? 0;
  return [...pods].sort(
    (a, b) =>
      byStage(a, b) ||
      deletionCost(a) - deletionCost(b) ||
      doubled(b) - doubled(a) ||
      compareReadyTime(a, b, nowMs) ||
      byRestarts(a, b) ||
      compareAges(a, b, createdMs, nowMs),
  );
}

/** What is no plain 32-bit number, such as `+5` or `1e3`, costs nothing. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[deletionCostAnnotation] ?? '';
  const cost = /^(0|-\d+|[1-9]\d*)$/.test(text) ? Number(text) : 0;
  return cost >= -(2 ** 31) && cost < 2 ** 31 ? cost : 0;
}

function compareReadyTime(a: Pod, b: Pod, nowMs: number): number {
  if (!isPodReady(a) || !isPodReady(b)) return 0;
  return compareAges(a, b, readySinceMs, nowMs);
}

/**
 * The younger pod goes first, but ages are compared by order of magnitude only: among pods of about the same age the
 * uid decides, so that repeated scaling does not always hit the same part of a rollout.
 */
function compareAges(a: Pod, b: Pod, sinceMs: (pod: Pod) => number, nowMs: number): number {
  const [leftMs, rightMs] = [sinceMs(a), sinceMs(b)];
  if (leftMs === rightMs) return 0;
  const magnitude = (ms: number) => (nowMs > ms ? Math.floor(Math.log2((nowMs - ms) * 1e6)) : -1);
  return magnitude(leftMs) - magnitude(rightMs) || (a.metadata.uid < b.metadata.uid ? -1 : 1);
}
