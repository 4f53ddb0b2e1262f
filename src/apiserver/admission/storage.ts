/** Admission of claims and volumes: the default class, protection while in use, and who may grow. */
import { compareQuantities, parseQuantity } from '../../api/quantities/quantity.ts';
import {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttributesClass,
} from '../../api/resources.gen.ts';
import { forbidden } from '../../api/status.ts';
import { classOfClaim, defaultClassOf, volumeAnnotations } from '../../api/storage/volume-binding.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type AdmissionPlugin, writesOf } from './admission.ts';
import { isWriteOf } from './writes.ts';

/** A claim without a class gets the default one. */
export function defaultStorageClass(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    operations: ['CREATE'],
    resources: [writesOf(PersistentVolumeClaim)],
    mutate(attributes) {
      const { metadata, spec } = attributes.object as PersistentVolumeClaim;
      if (!spec || spec.storageClassName !== undefined) return;
      if (metadata.annotations?.[volumeAnnotations.betaStorageClass] !== undefined) return;
      const fallback = defaultClassOf(objects.list(StorageClass));
      if (fallback) spec.storageClassName = fallback.metadata.name;
    },
  };
}

const finalizers = [
  [PersistentVolume, 'kubernetes.io/pv-protection'],
  [PersistentVolumeClaim, 'kubernetes.io/pvc-protection'],
  [VolumeAttributesClass, 'kubernetes.io/vac-protection'],
] as const;

/** Volumes, claims and attributes classes are created with the finalizer that keeps them while they are in use. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  operations: ['CREATE'],
  resources: finalizers.map(([type]) => writesOf(type)),
  mutate(attributes) {
    for (const [type, finalizer] of finalizers) {
      if (!isWriteOf(attributes, type, 'CREATE')) continue;
      const { metadata } = attributes.object!;
      if (!metadata.finalizers?.includes(finalizer))
        metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
    }
  },
};

/** A claim may ask for more only when its class allows its volumes to grow. */
export function persistentVolumeClaimResize(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    operations: ['UPDATE'],
    resources: [writesOf(PersistentVolumeClaim)],
    validate(attributes) {
      const [claim, old] = [attributes.object, attributes.old] as [
        PersistentVolumeClaim,
        PersistentVolumeClaim,
      ];
      if (old.status?.phase !== 'Bound' || !asksForMore(claim, old)) return;
      const storageClass = objects.get(StorageClass, '', classOfClaim(claim));
      if (storageClass?.allowVolumeExpansion) return;
      throw forbidden(
        PersistentVolumeClaim,
        claim.metadata.name,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      );
    },
  };
}

function asksForMore(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): boolean {
  const sizeOf = ({ spec }: PersistentVolumeClaim) =>
    parseQuantity(spec?.resources?.requests?.storage ?? '0');
  return compareQuantities(sizeOf(claim), sizeOf(old)) > 0;
}
