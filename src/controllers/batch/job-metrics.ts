/** What the Job controller counts, under upstream's names. */
import type { Job } from '../../api/resources.gen.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { isIndexed } from './job-pod.ts';

/** What a look at a job came to. */
export type JobAction = 'reconciling' | 'tracking' | 'pods_created' | 'pods_deleted';

const prefix = 'job_controller';

export const jobMetricsOf = metricsPerRegistry((registry) => ({
  syncs: registry.counter(`${prefix}_job_syncs_total`, 'The number of job syncs'),
  syncDuration: registry.histogram(
    `${prefix}_job_sync_duration_seconds`,
    'The time it took to sync a job',
    exponentialBuckets(0.004, 2, 15),
  ),
  finished: registry.counter(`${prefix}_jobs_finished_total`, 'The number of finished jobs'),
  podsFinished: registry.counter(
    `${prefix}_job_pods_finished_total`,
    'The number of finished Pods that are fully tracked',
  ),
  podsCreated: registry.counter(
    `${prefix}_job_pods_creation_total`,
    'The number of Pods created by the Job controller labelled with a reason for the Pod creation',
  ),
  failuresHandled: registry.counter(
    `${prefix}_pod_failures_handled_by_failure_policy_total`,
    'The number of failed Pods handled by failure policy with respect to the failure policy action applied based on the matched rule',
  ),
  indexesFinished: registry.counter(`${prefix}_job_finished_indexes_total`, 'The number of finished indexes'),
}));

export function completionModeOf(job: Job): string {
  return isIndexed(job) ? 'Indexed' : 'NonIndexed';
}

/** Why a job has to make pods. */
export function creationReasonOf(
  job: Job,
  { failed, terminating }: { failed: number; terminating: number },
): string {
  if (job.spec?.podReplacementPolicy === 'Failed' && failed > 0) return 'recreate_failed';
  return failed > 0 || terminating > 0 ? 'recreate_terminating_or_failed' : 'new';
}
