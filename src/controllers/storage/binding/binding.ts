/** What a volume and its claim look like at each step of their binding. Undefined: they look so already. */
import { isDeepStrictEqual } from 'node:util';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { volumeAnnotations } from '../../../api/storage/volume-binding.ts';

type ClaimStatus = NonNullable<PersistentVolumeClaim['status']>;
type VolumeStatus = NonNullable<PersistentVolume['status']>;

/** The volume names its claim, which reserves it. */
export function claimedVolume(
  volume: PersistentVolume,
  { metadata: { name, namespace, uid, resourceVersion } }: PersistentVolumeClaim,
): PersistentVolume | undefined {
  const { metadata, spec } = volume;
  if (spec?.claimRef?.uid === uid) return undefined;
  const kind = 'PersistentVolumeClaim';
  const reference = { kind, apiVersion: 'v1', namespace, name, uid, resourceVersion };
  const marks: Record<string, string> = spec?.claimRef
    ? {}
    : { [volumeAnnotations.boundByController]: 'yes' };
  return {
    ...volume,
    metadata: { ...metadata, annotations: { ...metadata.annotations, ...marks } },
    spec: { ...spec!, claimRef: { ...spec?.claimRef, ...reference } },
  };
}

/** The claim names its volume, and is marked as bound. */
export function boundClaim(
  claim: PersistentVolumeClaim,
  volumeName: string,
): PersistentVolumeClaim | undefined {
  const { boundByController, bindCompleted } = volumeAnnotations;
  const { metadata, spec } = claim;
  const isMarked = metadata.annotations?.[bindCompleted] !== undefined;
  if (spec?.volumeName === volumeName && isMarked) return undefined;
  const marks: Record<string, string> = spec?.volumeName ? {} : { [boundByController]: 'yes' };
  const annotations = { ...metadata.annotations, ...marks, [bindCompleted]: 'yes' };
  return { ...claim, metadata: { ...metadata, annotations }, spec: { ...spec!, volumeName } };
}

/** The claim's status describes its volume. A bound one's capacity may differ while its file system has yet to grow. */
export function boundStatus(
  { status }: PersistentVolumeClaim,
  { spec: { accessModes = [], capacity = {}, volumeAttributesClassName } = {} }: PersistentVolume,
): ClaimStatus | undefined {
  if (status?.phase === 'Bound')
    return isDeepStrictEqual(status.accessModes ?? [], accessModes) ? undefined : { ...status, accessModes };
  return {
    ...status,
    phase: 'Bound',
    accessModes,
    capacity,
    ...(volumeAttributesClassName !== undefined && {
      currentVolumeAttributesClassName: volumeAttributesClassName,
    }),
  };
}

/** The status of a claim without a volume describes none. */
export function unboundStatus(
  { status }: PersistentVolumeClaim,
  phase: 'Pending' | 'Lost',
): ClaimStatus | undefined {
  if (status?.phase === phase) return undefined;
  const { accessModes: _, capacity: __, currentVolumeAttributesClassName: ___, ...others } = status ?? {};
  return { ...others, phase };
}

/** The annotations by which a claim asks for its class's provisioner. */
export function provisionerMarks(
  { metadata }: PersistentVolumeClaim,
  provisioner: string,
): Record<string, string> | undefined {
  const { storageProvisioner, betaStorageProvisioner } = volumeAnnotations;
  if (metadata.annotations?.[storageProvisioner] === provisioner) return undefined;
  return { [storageProvisioner]: provisioner, [betaStorageProvisioner]: provisioner };
}

/** A volume in another phase has no longer what was said of the last. */
export function volumeStatus(
  { status }: PersistentVolume,
  phase: 'Available' | 'Bound' | 'Released',
): VolumeStatus | undefined {
  if (status?.phase === phase) return undefined;
  const { message: _, reason: __, ...others } = status ?? {};
  return { ...others, phase };
}
