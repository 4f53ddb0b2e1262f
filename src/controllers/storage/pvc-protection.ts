/** A claim that a pod uses is deleted only once the pod is gone. */
import { PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { claimKeysHeldBy, claimKeysOf, podsByClaim } from './claims-of-pod.ts';

const finalizer = 'kubernetes.io/pvc-protection';

export const pvcProtectionController = defineController({
  name: 'pvcprotection',
  reconciles: PersistentVolumeClaim,
  watches: [watch(Pod, claimKeysOf)],
  async reconcile(key, cluster, signal) {
    const claim = cluster.get(PersistentVolumeClaim, key);
    if (!claim) return undefined;
    const finalizers = claim.metadata.finalizers ?? [];
    const isProtected = finalizers.includes(finalizer);
    if (!claim.metadata.deletionTimestamp) {
      if (!isProtected) await setFinalizers([...finalizers, finalizer]);
    } else if (isProtected && !(await isUsed(key, cluster, signal))) {
      await setFinalizers(finalizers.filter((other) => other !== finalizer));
    }
    return undefined;

    async function setFinalizers(list: string[]): Promise<void> {
      const metadata = { ...claim!.metadata, finalizers: list };
      await cluster.update(PersistentVolumeClaim, { ...claim!, metadata }, signal);
    }
  },
});

/** A pod without a node does not count: no node would start it with a claim that is being deleted. */
async function isUsed(key: string, cluster: ReconcileCluster, signal: AbortSignal): Promise<boolean> {
  const uses = (pod: Pod) => Boolean(pod.spec?.nodeName) && claimKeysHeldBy(pod).includes(key);
  const pods = cluster.informer(Pod);
  pods.addIndex(podsByClaim, claimKeysOf);
  for (const pod of pods.byIndex(podsByClaim, key)) if (uses(pod)) return true;
  // The newest pod may be missing from the cache; the server knows it.
  const [namespace = ''] = key.split('/');
  const { items } = await cluster.client.list(Pod, { namespace }, signal);
  return items.some(uses);
}
