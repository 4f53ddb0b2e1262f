/** Deletes finished Jobs whose time to live has expired. */

import { findCondition } from '../../api/conditions.ts';
import { Job } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { defineController } from '../../client/controller/controller.ts';

const deletionDelayOf = metricsPerRegistry((registry) => {
  const name = 'ttl_after_finished_controller_job_deletion_duration_seconds';
  const help = 'The time it took to delete the job since it became eligible for deletion';
  return registry.histogram(name, help, exponentialBuckets(0.1, 2, 14)).bind({});
});

export const ttlAfterFinishedController = defineController({
  name: 'ttl_jobs_to_delete',
  component: 'ttl-after-finished-controller',
  reconciles: Job,
  metrics: deletionDelayOf,
  concerns: (job: Job) => job.spec?.ttlSecondsAfterFinished !== undefined,
  async reconcile(key, cluster, signal) {
    const job = cluster.get(Job, key);
    if (!job || job.metadata.deletionTimestamp) return;
    const leftMs = timeLeftMs(job, cluster.clock.now());
    if (leftMs === undefined) return;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    // The cache may lag behind: the time to live may just have been extended.
    const fresh = await cluster.client.get(Job, job.metadata, signal).catch(undefinedIfNotFound);
    const freshLeftMs = fresh && timeLeftMs(fresh, cluster.clock.now());
    if (!fresh || freshLeftMs === undefined || freshLeftMs > 0) return;
    await cluster.delete(Job, fresh, signal, { propagationPolicy: 'Foreground' });
    const overMs = cluster.clock.now() - (endOfLifeMs(fresh) ?? 0);
    deletionDelayOf(cluster.metrics).observe(Math.max(0, overMs) / 1000);
  },
});

/** Undefined for a job that is unfinished or has no time to live. */
export function timeLeftMs(job: Job, nowMs: number): number | undefined {
  const endMs = endOfLifeMs(job);
  return endMs === undefined ? undefined : Math.max(0, endMs - nowMs);
}

function endOfLifeMs(job: Job): number | undefined {
  const ttl = job.spec?.ttlSecondsAfterFinished;
  if (ttl === undefined) return undefined;
  const end = ['Complete', 'Failed']
    .map((type) => findCondition(job.status?.conditions, type))
    .find((condition) => condition?.status === 'True');
  if (!end?.lastTransitionTime) return undefined;
  return Date.parse(end.lastTransitionTime) + ttl * 1000;
}
