/** Withdraws the DisruptionTarget condition of pods that still exist two minutes after it was set. */
import { Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { defineController } from '../../client/controller/controller.ts';
import { isPodTerminal, podCondition } from '../pods/pod-state.ts';

const type = 'DisruptionTarget';
const staleAfterMs = 120_000;
/** A kubelet that terminates a pod may take as long as the pod takes. */
const kubeletReason = 'TerminationByKubelet';

export const staleDisruptionController = defineController({
  name: 'stale_pod_disruption',
  component: 'controllermanager',
  reconciles: Pod,
  concerns: (pod: Pod) => staleInMs(pod, 0) !== undefined,
  async reconcile(key, cluster, signal) {
    const pod = cluster.get(Pod, key);
    const nowMs = cluster.clock.now();
    const leftMs = pod && staleInMs(pod, nowMs);
    if (!pod || leftMs === undefined) return;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const { uid, resourceVersion } = pod.metadata;
    const condition = { type, status: 'False', lastTransitionTime: formatTime(nowMs) };
    const patch = { metadata: { uid, resourceVersion }, status: { conditions: [condition] } };
    await cluster
      .patch(Pod, pod, patch, { type: 'strategic', subresource: 'status', signal })
      .catch(undefinedIfNotFound);
  },
});

/** Time until the pod's announced disruption counts as stale; undefined when none is announced. */
export function staleInMs(pod: Pod, nowMs: number): number | undefined {
  const condition = podCondition(pod, type);
  if (pod.metadata.deletionTimestamp || isPodTerminal(pod) || condition?.status !== 'True') return undefined;
  if (condition.reason === kubeletReason) return undefined;
  return Math.max(0, Date.parse(condition.lastTransitionTime ?? '') + staleAfterMs - nowMs);
}
