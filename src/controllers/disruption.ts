/** PodDisruptionBudgets: keeps count of how many pods may go by choice. */
import { compileLabelSelector } from '../api/label-selector.ts';
import { controllerOf, keyOf, type OwnerReference, parseApiVersion } from '../api/meta.ts';
import {
  Deployment,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../api/resources.gen.ts';
import type { Scale } from '../api/types/autoscaling-v1.gen.ts';
import { defineController, quietMsFor, watch } from '../client/controller.ts';
import type { ReconcileCluster } from '../client/controller-cluster.ts';
import { discoverResources } from '../client/discovery.ts';
import { wholeSeconds } from '../client/event-recorder.ts';
import { groupVersionPath } from '../client/request-path.ts';
import { undefinedIfGone } from './adoption.ts';
import { needsScale, planBudget } from './disruption-plan.ts';
import { isPodTerminal } from './pod-state.ts';

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
    const pods = [...cluster.informer(Pod).inNamespace(pdb.metadata.namespace ?? '')].filter(
      (pod) => matches(pod.metadata.labels) && !isPodTerminal(pod),
    );
    if (pods.length === 0)
      cluster.event(PodDisruptionBudget, pdb, 'Normal', 'NoPods', 'No matching pods found');
    const scale = needsScale(pdb) ? await expectedScale(cluster, pods, signal) : pods.length;
    const nowMs = cluster.clock.now();
    const { status, recheckInMs } = planBudget(pdb, pods, scale, { ms: nowMs, text: wholeSeconds(nowMs) });
    await cluster.updateStatus(PodDisruptionBudget, pdb, status, signal);
    return { requeueAfterMs: recheckInMs, quietMs: quietMsFor(pods.length) };
  },
});

/** Sum of what the pods' controllers want, each counted once. Pods of no controller count for nothing. */
async function expectedScale(
  cluster: ReconcileCluster,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<number> {
  const seen = new Map<string, number>();
  for (const pod of pods) {
    const reference = controllerOf(pod);
    if (!reference || seen.has(reference.uid)) continue;
    const { uid, replicas } = await scaleOf(cluster, pod.metadata.namespace ?? '', reference, signal);
    seen.set(reference.uid, 0);
    seen.set(uid, replicas);
  }
  return [...seen.values()].reduce((total, replicas) => total + replicas, 0);
}

async function scaleOf(
  cluster: ReconcileCluster,
  namespace: string,
  reference: OwnerReference,
  signal: AbortSignal,
): Promise<{ uid: string; replicas: number }> {
  const key = `${namespace}/${reference.name}`;
  const group = parseApiVersion(reference.apiVersion).group;
  if (group === 'apps' && reference.kind === 'ReplicaSet') {
    const rs = cluster.get(ReplicaSet, key);
    const above = rs && controllerOf(rs);
    const deployment =
      above?.kind === 'Deployment' ? cluster.get(Deployment, `${namespace}/${above.name}`) : undefined;
    if (deployment && deployment.metadata.uid === above?.uid)
      return { uid: deployment.metadata.uid, replicas: deployment.spec?.replicas ?? 1 };
    return { uid: reference.uid, replicas: rs?.spec?.replicas ?? 0 };
  }
  if (group === 'apps' && reference.kind === 'StatefulSet')
    return { uid: reference.uid, replicas: cluster.get(StatefulSet, key)?.spec?.replicas ?? 0 };
  if (group === '' && reference.kind === 'ReplicationController')
    return { uid: reference.uid, replicas: cluster.get(ReplicationController, key)?.spec?.replicas ?? 0 };
  return { uid: reference.uid, replicas: await scaleOfCustom(cluster, namespace, reference, group, signal) };
}

/** Any other kind is asked through its scale subresource. */
async function scaleOfCustom(
  cluster: ReconcileCluster,
  namespace: string,
  reference: OwnerReference,
  group: string,
  signal: AbortSignal,
): Promise<number> {
  const { resources } = await discoverResources(cluster.client, signal);
  const resource = resources.find((one) => one.group === group && one.kind === reference.kind);
  if (!resource) return 0;
  const path = `${groupVersionPath(resource)}/namespaces/${namespace}/${resource.plural}/${reference.name}/scale`;
  const scale = await cluster.client.raw<Scale>('GET', path, undefined, signal).catch(undefinedIfGone);
  return scale?.spec?.replicas ?? 0;
}
