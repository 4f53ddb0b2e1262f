/** What to do about a claim: all rules of binding from the claim's side. Decides; never acts. */
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../api/resources.gen.ts';
import {
  classOfClaim,
  findVolume,
  isClaimBound,
  isVolumeFor,
  volumeAnnotations,
  whyMismatched,
} from '../../../api/storage/volume-binding.ts';
import { findProvisioner } from './class-provisioner.ts';

export interface PlannedEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

export type ClaimPlan =
  | { kind: 'bind'; volume: PersistentVolume }
  /** Nothing can be bound now; the event says why. */
  | { kind: 'pending'; event?: PlannedEvent }
  | { kind: 'lost'; event: PlannedEvent }
  /** `provisioner`: who is to make the volume. */
  | { kind: 'provision'; provisioner: string }
  /** The claim named no class, and now there is a default one. */
  | { kind: 'setClass'; className: string };

/** What a plan may look up. */
export interface ClaimWorld {
  volume(name: string): PersistentVolume | undefined;
  volumes(): Iterable<PersistentVolume>;
  storageClass(name: string): StorageClass | undefined;
  /** Names of volumes that are promised to other claims. */
  taken: ReadonlySet<string>;
  /** The newest of the classes marked as default. */
  defaultClass(): StorageClass | undefined;
  /** Names of pods that use the claim and have no node yet. */
  waitingPods(claim: PersistentVolumeClaim): readonly string[];
}

export function planClaim(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  if (claim.metadata.annotations?.[volumeAnnotations.bindCompleted] !== undefined)
    return planBoundClaim(claim, world);
  return claim.spec?.volumeName ? planPreboundClaim(claim, world) : planFreeClaim(claim, world);
}

/** Bound for good: the claim may be repaired or lost, but never gets another volume. */
function planBoundClaim(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  if (!isClaimBound(claim))
    return lost(
      'ClaimLost',
      'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!',
    );
  const volume = world.volume(claim.spec!.volumeName!);
  if (!volume)
    return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  if (!volume.spec?.claimRef || volume.spec.claimRef.uid === claim.metadata.uid)
    return { kind: 'bind', volume };
  return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

/** The user, or an interrupted bind, has chosen the volume. */
function planPreboundClaim(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  const volume = world.volume(claim.spec!.volumeName!);
  if (!volume) return { kind: 'pending' };
  const { claimRef } = volume.spec ?? {};
  if (claimRef && !isVolumeFor(volume, claim))
    return pending(
      'Warning',
      'FailedBinding',
      `volume "${volume.metadata.name}" already bound to a different claim.`,
    );
  const problem = claimRef ? undefined : whyMismatched(claim, volume);
  if (problem)
    return pending(
      'Warning',
      'VolumeMismatch',
      `Cannot bind to requested volume "${volume.metadata.name}": ${problem}`,
    );
  return { kind: 'bind', volume };
}

function planFreeClaim(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  const className = classOfClaim(claim);
  const storageClass = className ? world.storageClass(className) : undefined;
  const isDelayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
  const isAwaitingPod =
    isDelayed && claim.metadata.annotations?.[volumeAnnotations.selectedNode] === undefined;
  // Once its node is chosen, a free volume may be on another one.
  const volume = findVolume(claim, world.volumes(), { taken: world.taken, isDelayed });
  if (volume) return { kind: 'bind', volume };
  if (className === '') {
    // An absent class means the default one, an empty one means none.
    const fallback = claim.spec?.storageClassName === undefined ? world.defaultClass() : undefined;
    if (fallback) return { kind: 'setClass', className: fallback.metadata.name };
    return pending(
      'Normal',
      'FailedBinding',
      'no persistent volumes available for this claim and no storage class is set',
    );
  }
  if (isAwaitingPod) return planAwaitingPod(claim, world);
  if (!storageClass)
    return pending('Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`);
  const found = findProvisioner(storageClass.provisioner);
  if ('problem' in found) return pending('Warning', 'ProvisioningFailed', found.problem);
  return { kind: 'provision', provisioner: found.name };
}

function planAwaitingPod(claim: PersistentVolumeClaim, world: ClaimWorld): ClaimPlan {
  const pods = world.waitingPods(claim);
  if (pods.length === 0)
    return pending(
      'Normal',
      'WaitForFirstConsumer',
      'waiting for first consumer to be created before binding',
    );
  const named = pods.length === 1 ? `pod ${pods[0]}` : `pods ${pods.join(',')}`;
  return pending('Normal', 'WaitForPodScheduled', `waiting for ${named} to be scheduled`);
}

function pending(type: PlannedEvent['type'], reason: string, message: string): ClaimPlan {
  return { kind: 'pending', event: { type, reason, message } };
}

function lost(reason: string, message: string): ClaimPlan {
  return { kind: 'lost', event: { type: 'Warning', reason, message } };
}
