/** A Job with its present pods, as all of its plan sees them. */
import type { Job, Pod } from '../../../api/resources.gen.ts';
import { isPodActive, isPodTerminating } from '../../pods/pod-state.ts';
import { countsAsFailed } from './job-pod.ts';
import { type FailureMatch, matchFailurePolicy } from './job-policy.ts';

export interface SeenPods {
  job: Job;
  pods: readonly Pod[];
  active: readonly Pod[];
  terminating: number;
  /** What the pod failure policy decides about failed pods, by uid. */
  matches: ReadonlyMap<string, FailureMatch | undefined>;
  /** Ended pods that the status lists but does not count yet; by uid. */
  uncounted: { succeeded: ReadonlySet<string>; failed: ReadonlySet<string> };
  nowMs: number;
}

export function seePods(job: Job, pods: readonly Pod[], nowMs: number): SeenPods {
  const { succeeded, failed } = job.status?.uncountedTerminatedPods ?? {};
  return {
    job,
    pods,
    active: pods.filter(isPodActive),
    terminating: pods.filter(isPodTerminating).length,
    matches: matchFailures(job, pods),
    uncounted: { succeeded: new Set(succeeded), failed: new Set(failed) },
    nowMs,
  };
}

/** What the pod failure policy decides about failed pods, by uid. */
function matchFailures(job: Job, pods: readonly Pod[]): Map<string, FailureMatch | undefined> {
  const matches = new Map<string, FailureMatch | undefined>();
  if (!job.spec!.podFailurePolicy) return matches;
  for (const pod of pods)
    if (countsAsFailed(job, pod)) matches.set(pod.metadata.uid, matchFailurePolicy(job, pod));
  return matches;
}

export function isIgnored({ matches }: SeenPods, { metadata }: Pod): boolean {
  return matches.get(metadata.uid)?.action === 'Ignore';
}
