/** PodDisruptionBudgets: keeps the number of allowed voluntary disruptions. */

import { keyOf } from '../../api/meta.ts';
import {
  Deployment,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import { defineController, quietMsFor, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import {
  contestedMessage,
  contestedPods,
  needsScale,
  planBudget,
  planFailSafe,
  unmanagedMessage,
} from './disruption-plan.ts';
import { expectedScale } from './disruption-scale.ts';
import type { UnknownScale } from './disruption-scale-plan.ts';

export const disruptionController = defineController({
  name: 'disruption',
  component: 'controllermanager',
  reconciles: PodDisruptionBudget,
  reads: [ReplicaSet, Deployment, ReplicationController, StatefulSet],
  watches: [
    watch(Pod, function* (pod, old, informers) {
      for (const pdb of informers.of(PodDisruptionBudget).inNamespace(pod.metadata.namespace ?? '')) {
        const matches = compileLabelSelector(pdb.spec?.selector);
        if (matches(pod.metadata.labels) || (old && matches(old.metadata.labels))) yield keyOf(pdb);
      }
    }),
  ],
  async reconcile(key, cluster, signal) {
    const pdb = cluster.get(PodDisruptionBudget, key);
    if (!pdb || pdb.metadata.deletionTimestamp) return;
    const matches = compileLabelSelector(pdb.spec?.selector);
    const inNamespace = cluster.informer(Pod).inNamespace(pdb.metadata.namespace ?? '');
    const pods = [...inNamespace].filter((pod) => matches(pod.metadata.labels));
    if (pods.length === 0)
      cluster.event(targetOf(PodDisruptionBudget, pdb), 'Normal', 'NoPods', 'No matching pods found');
    const nowMs = cluster.clock.now();
    const now = { ms: nowMs, text: formatTime(nowMs) };
    reportContested(cluster, pdb, pods);
    const scale = await scaleFor(cluster, pdb, pods, signal);
    if (typeof scale !== 'number') {
      const message = `Failed to calculate the number of expected pods: ${scale.why}`;
      const target = targetOf(PodDisruptionBudget, pdb);
      cluster.event(target, 'Warning', 'CalculateExpectedPodCountFailed', message);
      await cluster.updateStatus(PodDisruptionBudget, pdb, planFailSafe(pdb, scale.why, now), signal);
      return;
    }
    const { status, recheckInMs } = planBudget(pdb, pods, scale, now);
    await cluster.updateStatus(PodDisruptionBudget, pdb, status, signal);
    return { requeueAfterMs: recheckInMs, quietMs: quietMsFor(pods.length) };
  },
});

/** Versions of pods for which an event has already reported that several budgets select them. */
const reported = new WeakSet<Pod>();

/** The error of an eviction names the same budget. */
function reportContested(cluster: ReconcileCluster, pdb: PodDisruptionBudget, pods: readonly Pod[]): void {
  const all = cluster.informer(PodDisruptionBudget).inNamespace(pdb.metadata.namespace ?? '');
  for (const pod of contestedPods(pdb, all, pods)) {
    if (reported.has(pod)) continue;
    reported.add(pod);
    const message = contestedMessage(pdb, pod);
    cluster.event(targetOf(Pod, pod), 'Warning', 'MultiplePodDisruptionBudgets', message);
  }
}

/** Only budgets expressed as a share of their pods depend on how many pods there should be. */
async function scaleFor(
  cluster: ReconcileCluster,
  pdb: PodDisruptionBudget,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<number | UnknownScale> {
  if (!needsScale(pdb)) return pods.length;
  const scale = await expectedScale(cluster, pdb.metadata.namespace ?? '', pods, signal);
  if ('why' in scale) return scale;
  if (scale.unmanaged.length > 0)
    cluster.event(targetOf(PodDisruptionBudget, pdb), 'Warning', 'UnmanagedPods', unmanagedMessage(pdb));
  return scale.replicas;
}
