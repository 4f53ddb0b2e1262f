/** The end of a pod because of taints: told in its status, and measured. */
import { Pod } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type { PodCondition } from '../../api/types/core-v1.gen.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';

/** Upper bounds, in seconds, of how long after it was due a pod was deleted. */
const delayBuckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240];

interface MetricWords {
  name: string;
  help: string;
}

/** Of one controller: how many pods it deleted, and how late. */
export function evictionMetrics(words: { deletions: MetricWords; delay: MetricWords }) {
  return metricsPerRegistry((registry) => {
    const deletions = registry.counter(words.deletions.name, words.deletions.help).bind({});
    const delay = registry.histogram(words.delay.name, words.delay.help, delayBuckets).bind({});
    return {
      podDeleted(lateMs: number): void {
        deletions.add(1);
        delay.observe(lateMs / 1000);
      },
    };
  });
}

/** Deletes the pod once its status has the condition, if there is one to tell. False: it was gone already. */
export async function evictPod(
  cluster: ReconcileCluster,
  pod: Pod,
  condition: PodCondition | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (condition) {
    const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
    await cluster
      .patch(Pod, pod, patch, { type: 'strategic', subresource: 'status', signal })
      .catch(undefinedIfNotFound);
  }
  return await cluster.delete(Pod, pod, signal);
}
