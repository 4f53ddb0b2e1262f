/** What makes one pod go before another where there are too many: how far it has come, and how often it started again. */
import { sidecarNames } from '../../api/core/pod/sidecars.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { isPodReady, podCondition } from './pod-state.ts';

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/** Without a node before those on one, pending before running, not ready before ready. */
export function byStage(a: Pod, b: Pod): number {
  return (
    Number(Boolean(a.spec?.nodeName)) - Number(Boolean(b.spec?.nodeName)) ||
    (phaseRank[a.status?.phase ?? 'Pending'] ?? 0) - (phaseRank[b.status?.phase ?? 'Pending'] ?? 0) ||
    Number(isPodReady(a)) - Number(isPodReady(b))
  );
}

/** More restarts first: of containers, then of sidecars. */
export function byRestarts(a: Pod, b: Pod): number {
  return restarts(b) - restarts(a) || sidecarRestarts(b) - sidecarRestarts(a);
}

export function createdMs(pod: Pod): number {
  return Date.parse(pod.metadata.creationTimestamp);
}

export function readySinceMs(pod: Pod): number {
  return Date.parse(podCondition(pod, 'Ready')?.lastTransitionTime ?? '') || 0;
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
