/** A volume that is bound to a claim is deleted only once the claim is gone. */
import { PersistentVolume } from '../../api/resources.gen.ts';
import { defineController } from '../../client/controller/controller.ts';

const finalizer = 'kubernetes.io/pv-protection';

export const pvProtectionController = defineController({
  name: 'pvprotection',
  reconciles: PersistentVolume,
  async reconcile(name, cluster, signal) {
    const volume = cluster.get(PersistentVolume, name);
    if (!volume) return undefined;
    const finalizers = volume.metadata.finalizers ?? [];
    const isProtected = finalizers.includes(finalizer);
    const isGoing = volume.metadata.deletionTimestamp !== undefined;
    let wanted = finalizers;
    if (!isGoing && !isProtected) wanted = [...finalizers, finalizer];
    else if (isGoing && isProtected && volume.status?.phase !== 'Bound')
      wanted = finalizers.filter((other) => other !== finalizer);
    if (wanted === finalizers) return undefined;
    const metadata = { ...volume.metadata, finalizers: wanted };
    await cluster.update(PersistentVolume, { ...volume, metadata }, signal);
    return undefined;
  },
});
