/**
 * How long a Job's next pod waits after failures. Decides; never acts. What is remembered outlives the pods: one that was
 * deleted or evicted is gone before its replacement is due.
 */
import { sidecarNames } from '../../../api/core/pod/sidecars.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import { backoffDelayMs } from '../../../base/async/backoff.ts';
import { podCondition } from '../../pods/pod-state.ts';
import { isTracked } from './job-pod.ts';

/** Failures since the last success, and when the latest of them was. */
export interface JobBackoff {
  readonly failures: number;
  readonly lastFailureMs: number;
}

const podBackoff = { firstMs: 10_000, maxMs: 600_000 };
const noFailures: JobBackoff = { failures: 0, lastFailureMs: 0 };

/**
 * For a job of which nothing is remembered, as after a restart: its pods that have ended and were counted. Those on
 * their way out may be ones that the job itself removed.
 */
export function recalledBackoff(pods: readonly Pod[]): JobBackoff {
  const counted = pods.filter((pod) => !isTracked(pod) && !pod.metadata.deletionTimestamp);
  const ended = (phase: string) => counted.filter(({ status }) => status?.phase === phase);
  return nextBackoff(noFailures, ended('Succeeded'), ended('Failed'));
}

/** `succeeded` and `failed`: pods whose outcome is new. */
export function nextBackoff(
  before: JobBackoff,
  succeeded: readonly Pod[],
  failed: readonly Pod[],
): JobBackoff {
  const failuresMs = failed.map(finishedAtMs);
  if (succeeded.length === 0) {
    if (failed.length === 0) return before;
    return { failures: before.failures + failed.length, lastFailureMs: Math.max(...failuresMs) };
  }
  const lastSuccessMs = Math.max(...succeeded.map(finishedAtMs));
  const later = failuresMs.filter((ms) => ms > lastSuccessMs);
  return later.length === 0 ? noFailures : { failures: later.length, lastFailureMs: Math.max(...later) };
}

export function backoffLeftMs({ failures, lastFailureMs }: JobBackoff, nowMs: number): number {
  if (failures === 0) return 0;
  return Math.max(0, lastFailureMs + backoffDelayMs(podBackoff, failures - 1) - nowMs);
}

/**
 * When the pod's last container ended. If one has not: since when the pod is not ready, when its deletion was asked for,
 * or when it was created.
 */
export function finishedAtMs(pod: Pod): number {
  const { metadata, spec, status } = pod;
  const sidecars = sidecarNames(spec);
  const containers = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ];
  const endsMs = containers.map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ''));
  if (endsMs.length > 0 && !endsMs.some(Number.isNaN)) return Math.max(...endsMs);
  const ready = podCondition(pod, 'Ready');
  if (ready?.status === 'False' && ready.lastTransitionTime) return Date.parse(ready.lastTransitionTime);
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = metadata;
  return deletionTimestamp
    ? Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000
    : Date.parse(creationTimestamp);
}
