/** What the Job controller counts, under upstream's names. */
import { Job, Pod } from '../../../api/resources.gen.ts';
import { exponentialBuckets, type MetricsRegistry, metricsPerRegistry } from '../../../base/metrics.ts';
import type { InformerFactory } from '../../../client/informers/informer.ts';
import { isPodTerminal } from '../../pods/pod-state.ts';
import { isIndexed, isTracked, keptByAnother } from './job-pod.ts';

/** The outcome of one sync of a job. */
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
  keptByAnother: registry.counter(
    `${prefix}_jobs_by_external_controller_total`,
    'The number of Jobs managed by an external controller',
  ),
  terminatedTracked: registry.counter(
    `${prefix}_terminated_pods_tracking_finalizer_total`,
    'The number of terminated pods (phase=Failed|Succeeded) that have the finalizer batch.kubernetes.io/job-tracking',
  ),
}));

/**
 * Counts what comes and goes without a sync: jobs of other controllers, and ended pods that wait to be counted,
 * whichever job they belong to.
 */
export function followJobMetrics(registry: MetricsRegistry | undefined, informers: InformerFactory): void {
  const { keptByAnother: kept, terminatedTracked } = jobMetricsOf(registry);
  informers.of(Job).handle({
    added(job) {
      const controller_name = keptByAnother(job);
      if (controller_name) kept.add(1, { controller_name });
    },
  });
  const waits = (pod: Pod) => isPodTerminal(pod) && isTracked(pod);
  const note = (was: boolean, is: boolean) => {
    if (was !== is) terminatedTracked.add(1, { event: is ? 'add' : 'delete' });
  };
  informers.of(Pod).handle({
    added: (pod) => note(false, waits(pod)),
    updated: (pod, old) => note(waits(old), waits(pod)),
    deleted: (pod) => note(waits(pod), false),
  });
}

export function completionModeOf(job: Job): string {
  return isIndexed(job) ? 'Indexed' : 'NonIndexed';
}

/** Why a job creates pods. */
export function creationReasonOf(
  job: Job,
  { failed, terminating }: { failed: number; terminating: number },
): string {
  if (job.spec?.podReplacementPolicy === 'Failed' && failed > 0) return 'recreate_failed';
  return failed > 0 || terminating > 0 ? 'recreate_terminating_or_failed' : 'new';
}
