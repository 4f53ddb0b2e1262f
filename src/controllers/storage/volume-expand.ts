/** Grants a bound claim the larger size that it requests, when the cluster's own provisioner made the volume. */
import { compareQuantities, parseQuantity } from '../../api/quantities/quantity.ts';
import { PersistentVolume, PersistentVolumeClaim } from '../../api/resources.gen.ts';
import { isClaimBound, volumeAnnotations } from '../../api/storage/volume-binding.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { ownProvisioners } from './provisioning/provisioner-names.ts';

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
    const volume = claim?.spec?.volumeName ? cluster.get(PersistentVolume, claim.spec.volumeName) : undefined;
    const plan = claim && volume && planExpansion(claim, volume);
    if (!plan) return undefined;
    const tell = (reason: string, message: string) =>
      cluster.event(targetOf(PersistentVolumeClaim, claim), 'Normal', reason, message);
    if (plan === 'external') {
      tell('ExternalExpanding', externalExpanding);
      return undefined;
    }
    if (plan.storage) {
      const patch = { spec: { capacity: { storage: plan.storage } } };
      await cluster.patch(PersistentVolume, volume, patch, { type: 'merge', signal });
    }
    await cluster.updateStatus(PersistentVolumeClaim, claim, plan.status, signal);
    tell('VolumeResizeSuccessful', `ExpandVolume succeeded for volume ${key}`);
    return undefined;
  },
});

export interface Expansion {
  /** The size that the volume is to state, if it states less. */
  storage?: string;
  /** Of the claim. */
  status: NonNullable<PersistentVolumeClaim['status']>;
}

/**
 * A directory needs no resizing: only the size that the volume states and quotas count changes. `external`: another
 * provisioner made the volume. Undefined when the claim has what it requests.
 */
export function planExpansion(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
): Expansion | 'external' | undefined {
  if (!isClaimBound(claim) || claim.status?.phase !== 'Bound') return undefined;
  const wanted = claim.spec?.resources?.requests?.storage;
  const held = claim.status.capacity?.storage;
  if (!wanted || !held || !isMore(wanted, held)) return undefined;
  const provisioner = volume.metadata.annotations?.[volumeAnnotations.provisionedBy];
  if (!ownProvisioners.has(provisioner ?? '')) return 'external';
  const { conditions, capacity, allocatedResources, ...status } = claim.status;
  const left = conditions?.filter(({ type }) => type !== 'Resizing' && type !== 'FileSystemResizePending');
  return {
    ...(isMore(wanted, volume.spec?.capacity?.storage ?? '0') && { storage: wanted }),
    status: {
      ...status,
      capacity: { ...capacity, storage: wanted },
      allocatedResources: { ...allocatedResources, storage: wanted },
      ...(left && { conditions: left }),
    },
  };
}

function isMore(a: string, b: string): boolean {
  return compareQuantities(parseQuantity(a), parseQuantity(b)) > 0;
}
