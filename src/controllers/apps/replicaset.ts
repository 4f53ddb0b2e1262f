/** ReplicaSets: maintain an exact number of pods of a template. ReplicationControllers run on the same engine. */

import { controllerOf, type KubeObject, type LabelSelector, type ResourceType } from '../../api/meta.ts';
import { Pod, ReplicaSet } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import type * as apps from '../../api/types/apps-v1.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { type AnyController, defineController, quietMsFor } from '../../client/controller/controller.ts';
import {
  controllerIndex,
  controllerIndexValues,
  type ReconcileCluster,
} from '../../client/controller/controller-cluster.ts';
import { isInVain } from '../../client/controller/owner-check.ts';
import { claim } from '../adoption.ts';
import { allAtOnce, slowStart } from '../batches.ts';
import { PodControl } from '../pods/pod-control.ts';
import { nextAvailableInMs } from '../pods/pod-state.ts';
import { podFromTemplate } from '../pods/pod-template.ts';
import {
  ageRatios,
  planReplicaStatus,
  planReplicas,
  type ReplicaFailure,
  type ReplicaOwner,
  selectedByAny,
} from './replicaset/replicas.ts';

const deletionAgeRatioOf = metricsPerRegistry((registry) => {
  const name = 'replicaset_controller_sorting_deletion_age_ratio';
  const help =
    "The ratio of chosen deleted pod's ages to the current youngest pod's age (at the time). Should be <2.";
  return registry.histogram(name, help, exponentialBuckets(0.25, 2, 6)).bind({});
});

export const replicaSetController = defineReplicaController({
  name: 'replicaset',
  component: 'replicaset-controller',
  type: ReplicaSet,
  selectorOf: (rs) => rs.spec?.selector,
});

/** A kind that maintains a number of pods of a template. */
interface ReplicaKind<T extends KubeObject & ReplicaOwner> {
  name: string;
  component: string;
  type: ResourceType<T>;
  selectorOf(owner: T): LabelSelector | undefined;
}

export function defineReplicaController<T extends KubeObject & ReplicaOwner>(
  kind: ReplicaKind<T>,
): AnyController {
  return defineController<T>({
    name: kind.name,
    component: kind.component,
    reconciles: kind.type,
    owns: [Pod],
    metrics: deletionAgeRatioOf,
    selectorOf: (owner) => kind.selectorOf(owner),
    async reconcile(key, cluster, signal) {
      const object = cluster.get(kind.type, key);
      if (!object) return;
      const owner = { type: kind.type, object };
      const matches = compileLabelSelector(kind.selectorOf(object));
      const pods = await claim(Pod, (pod) => matches(pod.metadata.labels), { cluster, owner, signal });
      const related = () => relatedPods(cluster, kind, object);
      const { failure, isRefused } = await syncPods(cluster, owner, { pods, related }, signal);
      const nowMs = cluster.clock.now();
      const status = planReplicaStatus(object, pods, failure, { ms: nowMs, text: formatTime(nowMs) });
      await cluster.updateStatus<KubeObject & { status?: apps.ReplicaSetStatus }>(
        kind.type as ResourceType,
        object,
        status,
        signal,
      );
      if (failure && !isRefused) throw failure.error;
      const minReadySeconds = object.spec?.minReadySeconds ?? 0;
      return {
        requeueAfterMs: nextAvailableInMs(pods, minReadySeconds, cluster.clock.now()),
        quietMs: quietMsFor(pods.length),
      };
    },
  });
}

/** `isRefused`: nothing can be created any longer, as the namespace or the owner goes: a retry is pointless. */
async function syncPods(
  cluster: ReconcileCluster,
  owner: { type: ResourceType; object: KubeObject & ReplicaOwner },
  { pods, related }: { pods: readonly Pod[]; related: () => readonly Pod[] },
  signal: AbortSignal,
): Promise<{ failure?: ReplicaFailure; isRefused?: boolean }> {
  const plan = planReplicas(owner.object, pods, related, cluster.clock.now());
  const control = new PodControl(cluster, owner, signal);
  if (plan.create > 0) {
    const template = owner.object.spec?.template as core.PodTemplateSpec;
    const draft = podFromTemplate(template, owner);
    const drafts = Array.from({ length: plan.create }, () => draft);
    const { failure } = await slowStart(drafts, (pod) => control.create(pod));
    if (failure === undefined || isInVain(failure)) return { isRefused: failure !== undefined };
    return { failure: { reason: 'FailedCreate', error: failure } };
  }
  for (const ratio of ageRatios(plan.remove, pods, cluster.clock.now()))
    deletionAgeRatioOf(cluster.metrics).observe(ratio);
  const { failure } = await allAtOnce(plan.remove, (pod) => control.delete(pod));
  return failure === undefined ? {} : { failure: { reason: 'FailedDelete', error: failure } };
}

/**
 * The pods that those with the same controller select, whoever has them: a Deployment's older and newer ReplicaSets share
 * the nodes.
 */
function relatedPods<T extends KubeObject & ReplicaOwner>(
  cluster: ReconcileCluster,
  kind: ReplicaKind<T>,
  owner: T,
): readonly Pod[] {
  const above = controllerOf(owner);
  if (!above) return [];
  const siblings = cluster.informer(kind.type);
  siblings.addIndex(controllerIndex, controllerIndexValues);
  const selectors = [...siblings.byIndex(controllerIndex, above.uid)].map((one) => kind.selectorOf(one));
  return selectedByAny(selectors, cluster.informer(Pod).inNamespace(owner.metadata.namespace ?? ''));
}
