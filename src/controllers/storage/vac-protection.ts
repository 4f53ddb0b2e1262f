/** A VolumeAttributesClass is deleted only once no claim and no volume names it. */
import { PersistentVolume, PersistentVolumeClaim, VolumeAttributesClass } from '../../api/resources.gen.ts';
import { attributesClassesOf } from '../../api/storage/volume-binding.ts';
import { watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { defineProtection } from './protection.ts';

const byAttributesClass = 'attributesClass';

export const vacProtectionController = defineProtection({
  name: 'vacprotection',
  protects: VolumeAttributesClass,
  finalizer: 'kubernetes.io/vac-protection',
  watches: [
    watch(PersistentVolumeClaim, (claim, old) => [
      ...attributesClassesOf(claim),
      ...(old ? attributesClassesOf(old) : []),
    ]),
    watch(PersistentVolume, (volume, old) => [...classOfVolume(volume), ...(old ? classOfVolume(old) : [])]),
  ],
  isUsed: ({ metadata }, cluster) => isNamed(metadata.name, cluster),
});

function isNamed(name: string, cluster: ReconcileCluster): boolean {
  const claims = cluster.informer(PersistentVolumeClaim);
  claims.addIndex(byAttributesClass, attributesClassesOf);
  const volumes = cluster.informer(PersistentVolume);
  volumes.addIndex(byAttributesClass, classOfVolume);
  return [claims, volumes].some((informer) => [...informer.byIndex(byAttributesClass, name)].length > 0);
}

function classOfVolume({ spec }: PersistentVolume): string[] {
  return spec?.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
}
