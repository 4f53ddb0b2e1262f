/** PodDisruptionBudgets: keeps the number of allowed voluntary disruptions. */
import { compileLabelSelector } from '../../api/label-selector.ts';
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
import { defineController, quietMsFor, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { needsScale, planBudget, planFailSafe, unmanagedMessage } from './disruption-plan.ts';
import { expectedScale, UnknownScale } from './disruption-scale.ts';

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
    reportOthers(cluster, pdb, pods);
    const scale = await scaleFor(cluster, pdb, pods, signal);
    if (scale instanceof UnknownScale) {
      const message = `Failed to calculate the number of expected pods: ${scale.message}`;
      cluster.event(
        targetOf(PodDisruptionBudget, pdb),
        'Warning',
        'CalculateExpectedPodCountFailed',
        message,
      );
      await cluster.updateStatus(PodDisruptionBudget, pdb, planFailSafe(pdb, scale.message, now), signal);
      return;
    }
    const { status, recheckInMs } = planBudget(pdb, pods, scale, now);
    await cluster.updateStatus(PodDisruptionBudget, pdb, status, signal);
    return { requeueAfterMs: recheckInMs, quietMs: quietMsFor(pods.length) };
  },
});

/** Versions of pods for which an event has already reported that several budgets select them. */
const reported = new WeakSet<Pod>();

/** A pod with several budgets cannot be evicted. The error names the budget that comes first by name. */
function reportOthers(cluster: ReconcileCluster, pdb: PodDisruptionBudget, pods: readonly Pod[]): void {
  const { namespace = '', name } = pdb.metadata;
  const others = [...cluster.informer(PodDisruptionBudget).inNamespace(namespace)].filter(
    (other) => other.metadata.name !== name,
  );
  if (others.length === 0) return;
  for (const pod of pods) {
    if (reported.has(pod)) continue;
    const rivals = others.filter(({ spec }) => compileLabelSelector(spec?.selector)(pod.metadata.labels));
    if (rivals.length === 0 || rivals.some((other) => other.metadata.name < name)) continue;
    reported.add(pod);
    const message = `Pod "${namespace}"/"${pod.metadata.name}" matches multiple PodDisruptionBudgets.  Chose "${name}" arbitrarily.`;
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
  try {
    const { replicas, unmanaged } = await expectedScale(cluster, pods, signal);
    if (unmanaged.length > 0)
      cluster.event(targetOf(PodDisruptionBudget, pdb), 'Warning', 'UnmanagedPods', unmanagedMessage(pdb));
    return replicas;
  } catch (error) {
    if (error instanceof UnknownScale) return error;
    throw error;
  }
}
