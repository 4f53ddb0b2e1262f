/** Whether a class's driver publishes enough capacity for a new volume that a node can reach. */

import { wholeValueOf } from '../../../api/quantities/quantity.ts';
import type { CSIStorageCapacity, PersistentVolumeClaim, StorageClass } from '../../../api/resources.gen.ts';
import { matchesLabelSelector } from '../../../api/selectors/label-selector.ts';
import { requestedBytes } from '../../../api/storage/volume-binding.ts';
import type { NodeInfo } from '../../framework/node-info.ts';
import type { VolumeListers } from './volume-listers.ts';

/** True for drivers that publish no capacity (`storageCapacity` of their CSIDriver). */
export function hasEnoughCapacity(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Pick<NodeInfo, 'labels'>,
  { drivers, capacities }: Pick<VolumeListers, 'drivers' | 'capacities'>,
): boolean {
  if (!drivers.get(storageClass.provisioner)?.spec?.storageCapacity) return true;
  const wanted = requestedBytes(claim);
  for (const capacity of capacities.list())
    if (
      capacity.storageClassName === storageClass.metadata.name &&
      wanted <= largestBytes(capacity) &&
      // Without a topology no node has access; an empty topology means all nodes.
      capacity.nodeTopology !== undefined &&
      matchesLabelSelector(capacity.nodeTopology, node.labels)
    )
      return true;
  return false;
}

/** `maximumVolumeSize` is more precise than the total capacity. */
function largestBytes({ maximumVolumeSize, capacity }: CSIStorageCapacity): number {
  const limit = maximumVolumeSize ?? capacity;
  return limit === undefined ? -1 : wholeValueOf(limit);
}
