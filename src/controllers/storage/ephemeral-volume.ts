/** Creates the claims of generic ephemeral volumes; they belong to their pod and are deleted with it. */

import { controllerOf, type Draft } from '../../api/meta.ts';
import { PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { isAlreadyExists } from '../../api/status.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';

const ephemeralMetricsOf = metricsPerRegistry((registry) => {
  const counter = (name: string, help: string) =>
    registry.counter(`ephemeral_volume_controller_${name}`, help).bind({});
  return {
    creations: counter('create_total', 'Number of PersistentVolumeClaim creation requests'),
    failures: counter(
      'create_failures_total',
      'Number of PersistentVolumeClaim creation requests that failed',
    ),
  };
});

export const ephemeralVolumeController = defineController({
  name: 'ephemeral_volume',
  component: 'ephemeral_volume',
  reconciles: Pod,
  metrics: ephemeralMetricsOf,
  concerns: (pod, old) => !old && pod.spec?.volumes?.some(({ ephemeral }) => ephemeral) === true,
  watches: [
    watch(PersistentVolumeClaim, (claim, old) => {
      const owner = controllerOf(claim);
      return old && owner?.kind === 'Pod' ? [`${claim.metadata.namespace}/${owner.name}`] : [];
    }),
  ],
  async reconcile(key, cluster, signal) {
    const pod = cluster.get(Pod, key);
    if (!pod) return undefined;
    const claimOf = (name: string) => cluster.get(PersistentVolumeClaim, name);
    for (const step of planEphemeralClaims(pod, claimOf)) await takeStep(pod, step, cluster, signal);
    return undefined;
  },
});

/** The claim of one ephemeral volume of a pod. */
type EphemeralStep = { volume: string } & (
  | { create: Draft<PersistentVolumeClaim> }
  /** A claim of that name is there, and is not the pod's. */
  | { foreign: string }
);

export function planEphemeralClaims(
  pod: Pod,
  claimOf: (key: string) => PersistentVolumeClaim | undefined,
): EphemeralStep[] {
  const { namespace, name: podName, uid, deletionTimestamp } = pod.metadata;
  if (deletionTimestamp) return [];
  const steps: EphemeralStep[] = [];
  for (const { name: volume, ephemeral } of pod.spec?.volumes ?? []) {
    if (!ephemeral?.volumeClaimTemplate) continue;
    const { metadata: { labels, annotations } = {}, spec } = ephemeral.volumeClaimTemplate;
    const name = `${podName}-${volume}`;
    const known = claimOf(`${namespace}/${name}`);
    if (known && controllerOf(known)?.uid === uid) continue;
    if (known) {
      steps.push({ volume, foreign: name });
      continue;
    }
    const owner = {
      apiVersion: 'v1',
      kind: 'Pod',
      name: podName,
      uid,
      controller: true,
      blockOwnerDeletion: true,
    };
    const metadata = {
      name,
      namespace: namespace!,
      ownerReferences: [owner],
      ...(labels && { labels }),
      ...(annotations && { annotations }),
    };
    steps.push({ volume, create: { metadata, spec } });
  }
  return steps;
}

/** A volume that gets no claim keeps those after it waiting, as in upstream. */
async function takeStep(
  pod: Pod,
  step: EphemeralStep,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const fail = (what: string) =>
    cluster.event(targetOf(Pod, pod), 'Warning', 'FailedBinding', `ephemeral volume ${step.volume}: ${what}`);
  if ('foreign' in step) {
    const { namespace, name } = pod.metadata;
    const why = `PVC ${namespace}/${step.foreign} was not created for pod ${namespace}/${name} (pod is not owner)`;
    fail(why);
    throw new Error(why);
  }
  // The garbage collector would delete the claim of a pod that is gone as fast as it is made.
  if (!(await cluster.stays(pod, signal))) return;
  const { creations, failures } = ephemeralMetricsOf(cluster.metrics);
  creations.add(1);
  try {
    await cluster.create(PersistentVolumeClaim, step.create, signal);
  } catch (error) {
    failures.add(1);
    if (!signal.aborted && !isAlreadyExists(error))
      fail(`create PVC ${step.create.metadata.name}: ${messageOf(error)}`);
    throw error;
  }
}
