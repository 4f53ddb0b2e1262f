/** A VolumeAttributesClass that a claim or a volume names is deleted only when none does any more. */
import { PersistentVolume, PersistentVolumeClaim, VolumeAttributesClass } from '../../api/resources.gen.ts';
import { defineController, watch } from '../../client/controller.ts';
import type { ReconcileCluster } from '../../client/controller-cluster.ts';

const finalizer = 'kubernetes.io/vac-protection';
const byAttributesClass = 'attributesClass';

export const vacProtectionController = defineController({
  name: 'vacprotection',
  reconciles: VolumeAttributesClass,
  watches: [
    watch(PersistentVolumeClaim, (claim, old) => [
      ...classesOfClaim(claim),
      ...(old ? classesOfClaim(old) : []),
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
  claims.addIndex(byAttributesClass, classesOfClaim);
  const volumes = cluster.informer(PersistentVolume);
  volumes.addIndex(byAttributesClass, classOfVolume);
  return [claims, volumes].some((informer) => [...informer.byIndex(byAttributesClass, name)].length > 0);
}

/** The one that it asks for, the one that it has, and the one that its volume is being changed to. */
function classesOfClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names.filter((name) => name !== undefined && name !== ''))] as string[];
}

function classOfVolume({ spec }: PersistentVolume): string[] {
  return spec?.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
}
