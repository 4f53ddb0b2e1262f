/** Deletes pods from nodes whose NoExecute taints they do not tolerate, or only for a limited time. */

import { disruptionTarget } from '../../api/core/disruption-target.ts';
import { keyOf } from '../../api/meta.ts';
import { Node, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { leastOf } from '../../base/least-of.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { byNodeName, nodeNameIndex } from './node-lifecycle.ts';
import { noExecuteTaints } from './node-state.ts';
import { addedAtMs, type DuePod, planEvictions, taintTimes } from './taint-eviction-plan.ts';

const evictionMetricsOf = metricsPerRegistry((registry) => ({
  deletions: registry
    .counter(
      'taint_eviction_controller_pod_deletions_total',
      'Total number of Pods deleted by TaintEvictionController since its start.',
    )
    .bind({}),
  delay: registry
    .histogram(
      'taint_eviction_controller_pod_deletion_duration_seconds',
      'Latency, in seconds, between the time when a taint effect has been activated for the Pod and its deletion via TaintEvictionController.',
      [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240],
    )
    .bind({}),
}));

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
      const {
        due,
        later,
        cancelled,
        nextMs: soonestMs,
      } = planEvictions(
        pods.byIndex(nodeNameIndex, name),
        { taints, addedMs },
        { scheduled: scheduled.get(name) ?? new Set(), nowMs },
      );
      for (const pod of cancelled) recordCancelled(cluster, pod);
      remember(firstSeen, name, seen);
      remember(scheduled, name, later);
      const isDone = await evictAll(cluster, due, signal);
      const nextMs = isDone ? soonestMs : leastOf(soonestMs, nowMs + retryMs);
      return nextMs === undefined ? undefined : { requeueAfterMs: nextMs - nowMs };
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
  const { deletions, delay } = evictionMetricsOf(cluster.metrics);
  let isComplete = true;
  for (const { pod, dueMs } of due)
    try {
      await evict(cluster, pod, signal);
      deletions.add(1);
      delay.observe((cluster.clock.now() - dueMs) / 1000);
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

function recordCancelled(cluster: ReconcileCluster, pod: Pod): void {
  const { namespace, name } = pod.metadata;
  const message = `Cancelling deletion of Pod ${namespace}/${name}`;
  cluster.event(targetOf(Pod, pod), 'Normal', 'TaintManagerEviction', message);
}

async function evict(cluster: ReconcileCluster, pod: Pod, signal: AbortSignal): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  cluster.event(
    targetOf(Pod, pod),
    'Normal',
    'TaintManagerEviction',
    `Marking for deletion Pod ${namespace}/${name}`,
  );
  const condition = disruptionTarget(
    pod,
    { reason: 'DeletionByTaintManager', message: 'Taint manager: deleting due to NoExecute taint' },
    formatTime(cluster.clock.now()),
  );
  const patch = { metadata: { uid }, status: { conditions: [condition] } };
  await cluster
    .patch(Pod, pod, patch, { type: 'strategic', subresource: 'status', signal })
    .catch(undefinedIfNotFound);
  await cluster.delete(Pod, pod, signal);
}
