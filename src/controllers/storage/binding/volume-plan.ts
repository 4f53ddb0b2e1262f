/** What to do about a volume: all rules of binding from the volume's side. Decides; never acts. */
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { modeOf, volumeAnnotations } from '../../../api/storage/volume-binding.ts';

export type VolumePlan =
  | { kind: 'available' }
  | { kind: 'bound' }
  /** Its claim has yet to bind to it; the phase stays. */
  | { kind: 'leaveToClaim' }
  /** Its claim cannot bind to it; the phase stays, and both are told why. */
  | { kind: 'mismatched'; claim: PersistentVolumeClaim }
  /** Its claim is gone: the reclaim policy applies. */
  | { kind: 'reclaim' }
  /** Its claim has another volume: it is free again, reserved for that claim only if the user named it. */
  | { kind: 'unbind' };

/** `claim`: the one that the volume names by namespace and name, if it is there. */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumePlan {
  const reference = volume.spec?.claimRef;
  // Without a uid, the user means a claim that may still be created.
  if (!reference?.uid) return { kind: 'available' };
  // A claim created later under the same name is another claim.
  const own = claim?.metadata.uid === reference.uid ? claim : undefined;
  if (!own) return { kind: 'reclaim' };
  if (!own.spec?.volumeName)
    return modeOf(own.spec) === modeOf(volume.spec)
      ? { kind: 'leaveToClaim' }
      : { kind: 'mismatched', claim: own };
  if (own.spec.volumeName === volume.metadata.name) return { kind: 'bound' };
  const { provisionedBy } = volumeAnnotations;
  const wasMadeForIt = volume.metadata.annotations?.[provisionedBy] !== undefined;
  return wasMadeForIt && volume.spec?.persistentVolumeReclaimPolicy === 'Delete'
    ? { kind: 'reclaim' }
    : { kind: 'unbind' };
}

/** The volume without its claim; a claim that the user named remains, by name only. */
export function withoutClaim(volume: PersistentVolume): PersistentVolume {
  const { boundByController } = volumeAnnotations;
  const { [boundByController]: mark, ...annotations } = volume.metadata.annotations ?? {};
  const { claimRef, ...spec } = volume.spec!;
  const { uid: _, resourceVersion: __, ...named } = claimRef ?? {};
  return {
    ...volume,
    metadata: { ...volume.metadata, annotations },
    spec: mark === undefined && claimRef ? { ...spec, claimRef: named } : spec,
  };
}
