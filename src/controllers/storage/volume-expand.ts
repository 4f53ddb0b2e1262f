/** Grants a bound claim the larger size that it requests, when the cluster's own provisioner made the volume. */
import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import { PersistentVolume, PersistentVolumeClaim } from '../../api/resources.gen.ts';
import { isClaimBound, volumeAnnotations } from '../../api/volume-binding.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { ownProvisioners } from './provisioner-names.ts';

const externalExpanding = 'waiting for an external controller to expand this PVC';

export const volumeExpandController = defineController({
  name: 'volume_expand',
  component: 'volume_expand',
  reconciles: PersistentVolumeClaim,
  watches: [
    watch(PersistentVolume, ({ spec }) =>
      spec?.claimRef ? [`${spec.claimRef.namespace}/${spec.claimRef.name}`] : [],
    ),
  ],
  async reconcile(key, cluster, signal) {
    const claim = cluster.get(PersistentVolumeClaim, key);
    if (!claim || !isClaimBound(claim) || claim.status?.phase !== 'Bound') return undefined;
    const wanted = claim.spec?.resources?.requests?.storage;
    const held = claim.status.capacity?.storage;
    if (!wanted || !held || compareQuantities(parseQuantity(wanted), parseQuantity(held)) <= 0)
      return undefined;
    const volume = cluster.get(PersistentVolume, claim.spec!.volumeName!);
    const provisioner = volume?.metadata.annotations?.[volumeAnnotations.provisionedBy];
    if (!volume) return undefined;
    if (!ownProvisioners.has(provisioner ?? '')) {
      cluster.event(targetOf(PersistentVolumeClaim, claim), 'Normal', 'ExternalExpanding', externalExpanding);
      return undefined;
    }

    // A directory needs no resizing; only the size that the volume states and quotas count changes.
    const volumeCapacity = volume.spec?.capacity?.storage ?? '0';
    if (compareQuantities(parseQuantity(wanted), parseQuantity(volumeCapacity)) > 0)
      await cluster.patch(
        PersistentVolume,
        volume,
        { spec: { capacity: { storage: wanted } } },
        { type: 'merge', signal },
      );
    const conditions = claim.status.conditions?.filter(
      ({ type }) => type !== 'Resizing' && type !== 'FileSystemResizePending',
    );
    const capacity = { ...claim.status.capacity, storage: wanted };
    const allocatedResources = { ...claim.status.allocatedResources, storage: wanted };
    await cluster.updateStatus(
      PersistentVolumeClaim,
      claim,
      { ...claim.status, capacity, allocatedResources, ...(conditions && { conditions }) },
      signal,
    );
    cluster.event(
      targetOf(PersistentVolumeClaim, claim),
      'Normal',
      'VolumeResizeSuccessful',
      `ExpandVolume succeeded for volume ${key}`,
    );
    return undefined;
  },
});
