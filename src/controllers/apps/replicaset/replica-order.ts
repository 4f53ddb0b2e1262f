/** Which pods are deleted first when there are too many: upstream's ranking. */
import { sidecarNames } from '../../../api/core/pod/sidecars.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import { isPodActive, isPodReady, podCondition } from '../../pod-state.ts';

const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

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
      Number(Boolean(a.spec?.nodeName)) - Number(Boolean(b.spec?.nodeName)) ||
      (phaseRank[a.status?.phase ?? 'Pending'] ?? 0) - (phaseRank[b.status?.phase ?? 'Pending'] ?? 0) ||
      Number(isPodReady(a)) - Number(isPodReady(b)) ||
      deletionCost(a) - deletionCost(b) ||
      doubled(b) - doubled(a) ||
      compareReadyTime(a, b, nowMs) ||
      restarts(b) - restarts(a) ||
      sidecarRestarts(b) - sidecarRestarts(a) ||
      compareAges(a, b, createdMs, nowMs),
  );
}

/** What is no plain 32-bit number, such as `+5` or `1e3`, costs nothing. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[deletionCostAnnotation] ?? '';
  const cost = /^(0|-\d+|[1-9]\d*)$/.test(text) ? Number(text) : 0;
  return cost >= -(2 ** 31) && cost < 2 ** 31 ? cost : 0;
}

function restarts(pod: Pod): number {
  return mostRestarts(pod.status?.containerStatuses);
}

function sidecarRestarts({ spec, status }: Pod): number {
  const sidecars = sidecarNames(spec);
  return mostRestarts(status?.initContainerStatuses?.filter(({ name }) => sidecars.has(name)));
}

function mostRestarts(statuses: readonly { restartCount: number }[] = []): number {
  return Math.max(0, ...statuses.map(({ restartCount }) => restartCount));
}

function compareReadyTime(a: Pod, b: Pod, nowMs: number): number {
  if (!isPodReady(a) || !isPodReady(b)) return 0;
  return compareAges(a, b, readySinceMs, nowMs);
}

function createdMs(pod: Pod): number {
  return Date.parse(pod.metadata.creationTimestamp);
}

function readySinceMs(pod: Pod): number {
  return Date.parse(podCondition(pod, 'Ready')?.lastTransitionTime ?? '') || 0;
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
