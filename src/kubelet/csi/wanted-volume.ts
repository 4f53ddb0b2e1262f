/** What a pod asks of a driver, by a claim or by an inline volume. Pure. */
import { createHash } from 'node:crypto';
import type { PersistentVolume, Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { VolumeRecord } from './volume-records.ts';

/** A volume as a pod wants it: by a claim, or inline. */
export interface WantedVolume {
  record: VolumeRecord;
  source: core.CSIPersistentVolumeSource;
  accessModes: readonly string[];
  mountOptions: readonly string[];
  /** How the pod mounts it. */
  readOnly: boolean;
}

export function claimedVolume(
  volume: PersistentVolume,
  { readOnly, isAttachable, nodeName }: { readOnly: boolean; isAttachable: boolean; nodeName: string },
): WantedVolume {
  const source = volume.spec!.csi!;
  return {
    record: {
      driverName: source.driver,
      volumeHandle: source.volumeHandle,
      specVolID: volume.metadata.name,
      nodeName,
      volumeLifecycleMode: 'Persistent',
      volumeMode: volume.spec?.volumeMode === 'Block' ? 'Block' : 'Filesystem',
      attachable: isAttachable ? 'yes' : 'no',
    },
    source,
    accessModes: volume.spec?.accessModes ?? [],
    mountOptions: volume.spec?.mountOptions ?? [],
    readOnly,
  };
}

/**
 * An inline volume is created and deleted with its pod; its handle is derived from the pod and the volume's name, as
 * upstream does.
 */
export function inlineVolume(
  pod: Pod,
  name: string,
  inline: core.CSIVolumeSource,
  nodeName: string,
): WantedVolume {
  const volumeHandle = `csi-${sha256(`${pod.metadata.uid}${name}`)}`;
  const { nodePublishSecretRef: secret, fsType, volumeAttributes } = inline;
  return {
    record: {
      driverName: inline.driver,
      volumeHandle,
      specVolID: name,
      nodeName,
      volumeLifecycleMode: 'Ephemeral',
      volumeMode: 'Filesystem',
      attachable: 'no',
    },
    source: {
      driver: inline.driver,
      volumeHandle,
      ...(fsType && { fsType }),
      ...(volumeAttributes && { volumeAttributes }),
      ...(secret && {
        nodePublishSecretRef: { name: secret.name ?? '', namespace: pod.metadata.namespace ?? '' },
      }),
    },
    accessModes: ['ReadWriteOnce'],
    mountOptions: [],
    readOnly: inline.readOnly ?? false,
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
