/** Deletes pods from nodes whose NoExecute taints they do not tolerate, or only for a limited time. */

import { type Disruption, disruptionTarget } from '../../api/core/disruption-target.ts';
import { keyOf } from '../../api/meta.ts';
import { Node, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { leastOf } from '../../base/least-of.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { evictionMetrics, evictPod } from '../pods/pod-eviction.ts';
import { byNodeName, nodeNameIndex } from './node-lifecycle.ts';
import { noExecuteTaints } from './node-state.ts';
import { addedAtMs, type DuePod, planEvictions, taintTimes } from './taint-eviction-plan.ts';

const evictionMetricsOf = evictionMetrics({
  deletions: {
    name: 'taint_eviction_controller_pod_deletions_total',
    help: 'Total number of Pods deleted by TaintEvictionController since its start.',
  },
  delay: {
    name: 'taint_eviction_controller_pod_deletion_duration_seconds',
    help: 'Latency, in seconds, between the time when a taint effect has been activated for the Pod and its deletion via TaintEvictionController.',
  },
});

const evictedByTaint: Disruption = {
  reason: 'DeletionByTaintManager',
  message: 'Taint manager: deleting due to NoExecute taint',
};

/** When eviction of a pod that failed is tried again. */
const retryMs = 1_000;

export function taintEvictionController(): AnyController {
  /** By node, when taints without `timeAdded` were first seen. */
  const firstSeen = new Map<string, ReadonlyMap<string, number>>();
  /** By node, the uids of pods that are to be evicted later. */
  const scheduled = new Map<string, ReadonlySet<string>>();

  return defineController({
    name: 'noexec_taint_node',
    component: 'taint-eviction-controller',
    reconciles: Node,
    metrics: evictionMetricsOf,
    concerns: (node: Node, old: Node | undefined) =>
      noExecuteTaints(node).length > 0 || (old !== undefined && noExecuteTaints(old).length > 0),
    watches: [
      watch(Pod, (pod, old, informers) => {
        const name = pod.spec?.nodeName;
        const isNews =
          pod.spec?.nodeName !== old?.spec?.nodeName || pod.spec?.tolerations !== old?.spec?.tolerations;
        const node = name && isNews ? informers.of(Node).get(name) : undefined;
        return node && noExecuteTaints(node).length > 0 ? [node.metadata.name] : [];
      }),
    ],
    async reconcile(name, cluster, signal) {
      const node = cluster.get(Node, name);
      const pods = cluster.informer(Pod);
      pods.addIndex(nodeNameIndex, byNodeName);
      const taints = node ? noExecuteTaints(node) : [];
      const nowMs = cluster.clock.now();
      const seen = taintTimes(taints, firstSeen.get(name) ?? new Map(), nowMs);
      const addedMs = taints.map((taint) => addedAtMs(taint, seen));
      const { due, later, cancelled, nextMs } = planEvictions(
        pods.byIndex(nodeNameIndex, name),
        { taints, addedMs },
        { scheduled: scheduled.get(name) ?? new Set(), nowMs },
      );
      for (const pod of cancelled) recordEviction(cluster, pod, 'Cancelling deletion of');
      remember(firstSeen, name, seen);
      remember(scheduled, name, later);
      const isDone = await evictAll(cluster, due, signal);
      const againMs = isDone ? nextMs : leastOf(nextMs, nowMs + retryMs);
      return againMs === undefined ? undefined : { requeueAfterMs: againMs - nowMs };
    },
  });
}

/** Nothing is kept of nodes without any. */
function remember<Of extends { size: number }>(known: Map<string, Of>, node: string, of: Of): void {
  if (of.size > 0) known.set(node, of);
  else known.delete(node);
}

/** False when some pod could not be evicted; that does not hold back the others. */
async function evictAll(
  cluster: ReconcileCluster,
  due: readonly DuePod[],
  signal: AbortSignal,
): Promise<boolean> {
  const metrics = evictionMetricsOf(cluster.metrics);
  let isComplete = true;
  for (const { pod, dueMs } of due)
    try {
      recordEviction(cluster, pod, 'Marking for deletion');
      const condition = disruptionTarget(pod, evictedByTaint, formatTime(cluster.clock.now()));
      await evictPod(cluster, pod, condition, signal);
      metrics.podDeleted(cluster.clock.now() - dueMs);
    } catch (error) {
      if (signal.aborted) throw error;
      cluster.logger.warn('a pod could not be evicted', {
        pod: keyOf(pod),
        node: pod.spec?.nodeName,
        error,
      });
      isComplete = false;
    }
  return isComplete;
}

function recordEviction(cluster: ReconcileCluster, pod: Pod, what: string): void {
  const { namespace, name } = pod.metadata;
  cluster.event(targetOf(Pod, pod), 'Normal', 'TaintManagerEviction', `${what} Pod ${namespace}/${name}`);
}
