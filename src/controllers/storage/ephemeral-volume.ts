/** Creates the claims of generic ephemeral volumes; they belong to their pod and are deleted with it. */

import { controllerOf } from '../../api/meta.ts';
import { PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { isAlreadyExists } from '../../api/status.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
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
    if (!pod || pod.metadata.deletionTimestamp) return undefined;
    const { namespace, name: podName, uid } = pod.metadata;
    for (const { name, ephemeral } of pod.spec?.volumes ?? []) {
      if (!ephemeral?.volumeClaimTemplate) continue;
      const { metadata, spec } = ephemeral.volumeClaimTemplate;
      const claimName = `${podName}-${name}`;
      const known = cluster.get(PersistentVolumeClaim, `${namespace}/${claimName}`);
      if (known && controllerOf(known)?.uid === uid) continue;
      const owner = {
        apiVersion: 'v1',
        kind: 'Pod',
        name: podName,
        uid,
        controller: true,
        blockOwnerDeletion: true,
      };
      const { labels, annotations } = metadata ?? {};
      const { creations, failures } = ephemeralMetricsOf(cluster.metrics);
      try {
        if (!known) creations.add(1);
        if (known)
          throw new Error(`PVC ${namespace}/${claimName} was not created for pod ${key} (pod is not owner)`);
        await cluster.create(
          PersistentVolumeClaim,
          {
            metadata: {
              name: claimName,
              namespace: namespace!,
              ownerReferences: [owner],
              ...(labels && { labels }),
              ...(annotations && { annotations }),
            },
            spec,
          },
          signal,
        );
      } catch (error) {
        if (!known) failures.add(1);
        if (signal.aborted || isAlreadyExists(error)) throw error;
        const why = messageOf(error);
        const what = `ephemeral volume ${name}: ${known ? '' : `create PVC ${claimName}: `}`;
        cluster.event(targetOf(Pod, pod), 'Warning', 'FailedBinding', `${what}${why}`);
        throw error;
      }
    }
    return undefined;
  },
});
