/** A VolumeAttributesClass is deleted only once no claim and no volume names it. */
import { PersistentVolume, PersistentVolumeClaim, VolumeAttributesClass } from '../../api/resources.gen.ts';
import { attributesClassesOf } from '../../api/volume-binding.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';

const finalizer = 'kubernetes.io/vac-protection';
const byAttributesClass = 'attributesClass';

export const vacProtectionController = defineController({
  name: 'vacprotection',
  reconciles: VolumeAttributesClass,
  watches: [
    watch(PersistentVolumeClaim, (claim, old) => [
      ...attributesClassesOf(claim),
      ...(old ? attributesClassesOf(old) : []),
    ]),
    watch(PersistentVolume, (volume, old) => [...classOfVolume(volume), ...(old ? classOfVolume(old) : [])]),
  ],
  async reconcile(name, cluster, signal) {
    const attributes = cluster.get(VolumeAttributesClass, name);
    if (!attributes) return undefined;
    const finalizers = attributes.metadata.finalizers ?? [];
    const isProtected = finalizers.includes(finalizer);
    const isGoing = attributes.metadata.deletionTimestamp !== undefined;
    let wanted = finalizers;
    if (!isGoing && !isProtected) wanted = [...finalizers, finalizer];
    else if (isGoing && isProtected && !isUsed(name, cluster))
      wanted = finalizers.filter((other) => other !== finalizer);
    if (wanted === finalizers) return undefined;
    const metadata = { ...attributes.metadata, finalizers: wanted };
    await cluster.update(VolumeAttributesClass, { ...attributes, metadata }, signal);
    return undefined;
  },
});

function isUsed(name: string, cluster: ReconcileCluster): boolean {
  const claims = cluster.informer(PersistentVolumeClaim);
  claims.addIndex(byAttributesClass, attributesClassesOf);
  const volumes = cluster.informer(PersistentVolume);
  volumes.addIndex(byAttributesClass, classOfVolume);
  return [claims, volumes].some((informer) => [...informer.byIndex(byAttributesClass, name)].length > 0);
}

function classOfVolume({ spec }: PersistentVolume): string[] {
  return spec?.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
}
