/** What the volume plugins look up. */
import {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../api/resources.gen.ts';
import type { Informer, InformerFactory } from '../../../client/informers/informer.ts';

export interface VolumeListers {
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  classes: Informer<StorageClass>;
  csiNodes: Informer<CSINode>;
  drivers: Informer<CSIDriver>;
  capacities: Informer<CSIStorageCapacity>;
}

export function volumeListers(informers: InformerFactory): VolumeListers {
  return {
    claims: informers.of(PersistentVolumeClaim),
    volumes: informers.of(PersistentVolume),
    classes: informers.of(StorageClass),
    csiNodes: informers.of(CSINode),
    drivers: informers.of(CSIDriver),
    capacities: informers.of(CSIStorageCapacity),
  };
}
