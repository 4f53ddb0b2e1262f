/** Deletes pods from nodes whose NoExecute taints they do not tolerate, or only for a limited time. */
import { disruptionTarget } from '../../api/core/disruption-target.ts';
import { keyOf } from '../../api/meta.ts';
import { Node, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { byNodeName, nodeNameIndex } from './node-lifecycle.ts';
import { noExecuteTaints, tolerates } from './node-state.ts';

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
  /** When a taint without `timeAdded` was first seen: `node key effect` → ms since the epoch. */
  const firstSeen = new Map<string, number>();
  /** By node, the uids of pods that are to be evicted later. */
  const scheduled = new Map<string, Set<string>>();

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
      const addedMs = taintTimes(name, taints, firstSeen, nowMs);
      const before = scheduled.get(name);
      const running = new Set<string>();
      const due: DuePod[] = [];
      let nextMs: number | undefined;
      for (const pod of pods.byIndex(nodeNameIndex, name)) {
        const dueMs = evictionTime(pod, taints, addedMs);
        if (pod.metadata.deletionTimestamp || dueMs === undefined) {
          if (before?.has(pod.metadata.uid) && !pod.metadata.deletionTimestamp) recordCancelled(cluster, pod);
        } else if (dueMs <= nowMs) due.push({ pod, dueMs });
        else {
          running.add(pod.metadata.uid);
          nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, dueMs);
        }
      }
      if (running.size > 0) scheduled.set(name, running);
      else scheduled.delete(name);
      if (!(await evictAll(cluster, due, signal)))
        nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, nowMs + retryMs);
      return nextMs === undefined ? undefined : { requeueAfterMs: nextMs - nowMs };
    },
  });
}

/** A pod whose time is over, and since when. */
interface DuePod {
  pod: Pod;
  dueMs: number;
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

type Taints = ReturnType<typeof noExecuteTaints>;

function taintTimes(node: string, taints: Taints, firstSeen: Map<string, number>, nowMs: number): number[] {
  const keys = taints.map((taint) => `${node} ${taint.key} ${taint.value ?? ''}`);
  for (const key of firstSeen.keys())
    if (key.startsWith(`${node} `) && !keys.includes(key)) firstSeen.delete(key);
  return taints.map((taint, index) => {
    if (taint.timeAdded) return Date.parse(taint.timeAdded);
    const key = keys[index]!;
    const seenMs = firstSeen.get(key) ?? nowMs;
    firstSeen.set(key, seenMs);
    return seenMs;
  });
}

/**
 * When the pod must go because of the node's taints; undefined when it may stay. `addedMs`: when each taint was added.
 */
export function evictionTime(pod: Pod, taints: Taints, addedMs: readonly number[]): number | undefined {
  let dueMs: number | undefined;
  for (const [index, taint] of taints.entries()) {
    const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    // Beyond 2^53 they are big integers, which Math.min does not take.
    const limits = matching
      .map(({ tolerationSeconds }) => tolerationSeconds)
      .filter((one) => one !== undefined)
      .map(Number);
    if (matching.length > 0 && limits.length === 0) continue;
    const leftMs = limits.length === 0 ? 0 : Math.max(0, Math.min(...limits)) * 1000;
    dueMs = Math.min(dueMs ?? Number.POSITIVE_INFINITY, addedMs[index]! + leftMs);
  }
  return dueMs;
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
