/** What ReplicaSets and ReplicationControllers share: maintaining a number of pods of one template. */

import { findCondition, withCondition, withoutCondition } from '../../../api/conditions.ts';
import type { LabelSelector } from '../../../api/meta.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import { compileLabelSelector } from '../../../api/selectors/label-selector.ts';
import type * as apps from '../../../api/types/apps-v1.gen.ts';
import { messageOf } from '../../../base/text/error-message.ts';
import { isPodActive, isPodAvailable, isPodReady, isPodTerminating } from '../../pods/pod-state.ts';
import { inDeletionOrder } from './replica-order.ts';

/** The part that both kinds have in common. */
export interface ReplicaOwner {
  metadata: { generation?: number; deletionTimestamp?: string };
  spec?: {
    replicas?: number;
    minReadySeconds?: number;
    template?: { metadata?: { labels?: Record<string, string> } };
  };
  status?: apps.ReplicaSetStatus;
}

export interface ReplicaPlan {
  /** How many pods to create. */
  create: number;
  /** Which pods to delete. */
  remove: Pod[];
}

/** The largest number of pods created or deleted in one reconcile. */
const burstReplicas = 500;

/** `pods`: all that the owner controls. `related`: see {@link inDeletionOrder}. */
export function planReplicas(
  owner: ReplicaOwner,
  pods: readonly Pod[],
  related: () => readonly Pod[],
  nowMs: number,
): ReplicaPlan {
  if (owner.metadata.deletionTimestamp) return { create: 0, remove: [] };
  const active = pods.filter(isPodActive);
  const missing = (owner.spec?.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(missing, burstReplicas), remove: [] };
  const count = Math.min(-missing, burstReplicas);
  if (count === active.length) return { create: 0, remove: active };
  return { create: 0, remove: inDeletionOrder(active, related(), nowMs).slice(0, count) };
}

/** Those that one of the selectors matches, whoever controls them. */
export function selectedByAny(selectors: readonly (LabelSelector | undefined)[], pods: Iterable<Pod>): Pod[] {
  const predicates = selectors.map(compileLabelSelector);
  return [...pods].filter(({ metadata }) => predicates.some((matches) => matches(metadata.labels)));
}

/**
 * The age of each ready pod to be deleted, as a multiple (rounded down) of the age of the youngest ready pod; none where
 * all pods go and nothing was chosen.
 */
export function ageRatios(removed: readonly Pod[], pods: readonly Pod[], nowMs: number): number[] {
  const active = pods.filter(isPodActive);
  if (removed.length === 0 || removed.length === active.length) return [];
  const ageMs = (pod: Pod) => nowMs - Date.parse(pod.metadata.creationTimestamp);
  const youngestMs = Math.max(1, Math.min(...active.filter(isPodReady).map(ageMs)));
  return removed.filter(isPodReady).map((pod) => Math.floor(ageMs(pod) / youngestMs));
}

/** The step of the plan that failed. */
export interface ReplicaFailure {
  reason: 'FailedCreate' | 'FailedDelete';
  error: unknown;
}

/** The status that describes `pods`. `failure`: the step of the plan that failed, if any. */
export function planReplicaStatus(
  owner: ReplicaOwner,
  pods: readonly Pod[],
  failure: ReplicaFailure | undefined,
  now: { ms: number; text: string },
): apps.ReplicaSetStatus {
  const active = pods.filter(isPodActive);
  const templateLabels = Object.entries(owner.spec?.template?.metadata?.labels ?? {});
  const minReadySeconds = owner.spec?.minReadySeconds ?? 0;
  const condition = failure && {
    type: 'ReplicaFailure',
    status: 'True',
    reason: failure.reason,
    message: messageOf(failure.error),
  };
  const before = findCondition(owner.status?.conditions, 'ReplicaFailure');
  // Messages name a new pod each time: a lasting failure keeps its first message, or each attempt would cause a write.
  const isKnown = before && before.reason === condition?.reason;
  const conditions = condition
    ? withCondition(owner.status?.conditions, isKnown ? before : condition, now.text)
    : withoutCondition(owner.status?.conditions, 'ReplicaFailure');
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) =>
      templateLabels.every(([key, value]) => pod.metadata.labels?.[key] === value),
    ).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((pod) => isPodAvailable(pod, minReadySeconds, now.ms)).length,
    terminatingReplicas: pods.filter(isPodTerminating).length,
    observedGeneration: owner.metadata.generation,
    ...(conditions.length > 0 && { conditions }),
  };
}
