/** A claim that a pod uses is deleted only once the pod is gone. */
import { keyOf } from '../../api/meta.ts';
import { PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { claimKeysHeldBy, claimKeysOf, podsByClaim } from './claims-of-pod.ts';
import { defineProtection } from './protection.ts';

export const pvcProtectionController = defineProtection({
  name: 'pvcprotection',
  protects: PersistentVolumeClaim,
  finalizer: 'kubernetes.io/pvc-protection',
  watches: [watch(Pod, claimKeysOf)],
  isUsed: isUsedByPod,
});

async function isUsedByPod(
  claim: PersistentVolumeClaim,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<boolean> {
  const key = keyOf(claim);
  const pods = cluster.informer(Pod);
  pods.addIndex(podsByClaim, claimKeysOf);
  for (const pod of pods.byIndex(podsByClaim, key)) if (holdsClaim(pod, key)) return true;
  // The newest pod may be missing from the cache; the server knows it.
  const { items } = await cluster.client.list(Pod, { namespace: claim.metadata.namespace }, signal);
  return items.some((pod) => holdsClaim(pod, key));
}

/** A pod without a node does not count: no node would start it with a claim that is being deleted. */
export function holdsClaim(pod: Pod, key: string): boolean {
  return Boolean(pod.spec?.nodeName) && claimKeysHeldBy(pod).includes(key);
}
