/** Which volumes a claim can be bound to: rules shared by the volume binder and the scheduler. */

import { newestOf } from '../meta.ts';
import { wholeValueOf } from '../quantities/quantity.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../resources.gen.ts';
import { compileLabelSelector } from '../selectors/label-selector.ts';
import { compileNodeSelector } from '../selectors/node-selector.ts';

/** Annotations by which binder, provisioners and scheduler talk to each other. */
export const volumeAnnotations = {
  /** On a claim: the binder has finished, and nothing may change any longer. */
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  /** On a claim or volume: the binder chose the other side, not the user. */
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  /** On a volume: who made it and has to delete it. */
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  /** On a claim: who has to make its volume. */
  storageProvisioner: 'volume.kubernetes.io/storage-provisioner',
  betaStorageProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
  /** On a claim: where the scheduler wants its volume. */
  selectedNode: 'volume.kubernetes.io/selected-node',
  betaStorageClass: 'volume.beta.kubernetes.io/storage-class',
  defaultClass: 'storageclass.kubernetes.io/is-default-class',
  betaDefaultClass: 'storageclass.beta.kubernetes.io/is-default-class',
} as const;

/** The provisioner of classes that never create volumes: their claims wait for hand-made ones. */
export const noProvisioner = 'kubernetes.io/no-provisioner';

/** The class that a claim asks for; '' when it wants none. */
export function classOfClaim({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata.annotations?.[volumeAnnotations.betaStorageClass] ?? spec?.storageClassName ?? '';
}

function classOfVolume({ metadata, spec }: PersistentVolume): string {
  return metadata.annotations?.[volumeAnnotations.betaStorageClass] ?? spec?.storageClassName ?? '';
}

export function isDefaultClass({ metadata }: StorageClass): boolean {
  const { defaultClass, betaDefaultClass } = volumeAnnotations;
  return (
    metadata.annotations?.[defaultClass] === 'true' || metadata.annotations?.[betaDefaultClass] === 'true'
  );
}

/** Of several that are marked as default, the newest. */
export function defaultClassOf(classes: Iterable<StorageClass>): StorageClass | undefined {
  return newestOf([...classes].filter(isDefaultClass));
}

/** The binder has bound the claim for good. */
export function isClaimBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return Boolean(spec?.volumeName) && metadata.annotations?.[volumeAnnotations.bindCompleted] !== undefined;
}

/** The volume names this claim, with its uid or as a user who bound it in advance: without. */
export function isVolumeFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const reference = volume.spec?.claimRef;
  if (!reference) return false;
  const { name, namespace, uid } = claim.metadata;
  if (reference.name !== name || reference.namespace !== namespace) return false;
  return !reference.uid || reference.uid === uid;
}

/** Whether the volume can be used on the node. */
export function reachesNode(volume: PersistentVolume, node: Pick<Node, 'metadata'>): boolean {
  const required = volume.spec?.nodeAffinity?.required;
  return !required || compileNodeSelector(required)(node);
}

/** Whether a volume of the class may be made on a node with these labels. A term without expressions allows none. */
export function isAllowedTopology(
  { allowedTopologies = [] }: Pick<StorageClass, 'allowedTopologies'>,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  if (allowedTopologies.length === 0) return true;
  return allowedTopologies.some(
    ({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.length > 0 &&
      matchLabelExpressions.every(({ key, values }) => values.includes(labels[key] ?? '')),
  );
}

export function requestedBytes(claim: PersistentVolumeClaim): number {
  return wholeValueOf(claim.spec?.resources?.requests?.storage ?? '0');
}

function capacityBytes(volume: PersistentVolume): number {
  return wholeValueOf(volume.spec?.capacity?.storage ?? '0');
}

/** Names of the VolumeAttributesClasses that a claim requests, has, and is being changed to. */
export function attributesClassesOf({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names)].filter((name): name is string => Boolean(name));
}

/** '' is none. A volume is changed to another one only after it is bound. */
function attributesClassOf(spec: { volumeAttributesClassName?: string } | undefined): string {
  return spec?.volumeAttributesClassName ?? '';
}

/** Of a claim or a volume. */
export function modeOf(spec: { volumeMode?: string } | undefined): string {
  return spec?.volumeMode ?? 'Filesystem';
}

/** Why a volume that the user chose for the claim cannot be its volume; undefined: it can. Upstream's words. */
export function whyMismatched(claim: PersistentVolumeClaim, volume: PersistentVolume): string | undefined {
  if (requestedBytes(claim) > capacityBytes(volume)) return 'requested PV is too small';
  if (classOfVolume(volume) !== classOfClaim(claim)) return 'storageClassName does not match';
  if (attributesClassOf(claim.spec) !== attributesClassOf(volume.spec))
    return 'volumeAttributesClassName does not match';
  if (modeOf(claim.spec) !== modeOf(volume.spec)) return 'incompatible volumeMode';
  if (!offersModes(claim, volume)) return 'incompatible accessMode';
  return undefined;
}

function offersModes(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  const offered: readonly string[] = volume.spec?.accessModes ?? [];
  return (claim.spec?.accessModes ?? []).every((mode) => offered.includes(mode));
}

export interface FindVolumeOptions {
  /** Given by the scheduler: only volumes that this node reaches. */
  node?: Pick<Node, 'metadata'>;
  /** Names of volumes that are spoken for. */
  taken?: ReadonlySet<string>;
  /** The claim's class waits for a pod: without a node only a volume that names the claim will do. */
  isDelayed: boolean;
}

/**
 * The volume that names the claim, or else the smallest free one that is large enough. Without a node those with the
 * fewest access modes come first, however large: more capable volumes are kept for claims that need them.
 */
export function findVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  { node, taken, isDelayed }: FindVolumeOptions,
): PersistentVolume | undefined {
  const wanted = requestedBytes(claim);
  const className = classOfClaim(claim);
  const selector = claim.spec?.selector;
  const matches = selector && compileLabelSelector(selector);
  let best: PersistentVolume | undefined;
  let bestModes = Number.POSITIVE_INFINITY;
  let bestBytes = Number.POSITIVE_INFINITY;
  for (const volume of volumes) {
    const { metadata, spec, status } = volume;
    if (taken?.has(metadata.name) || metadata.deletionTimestamp) continue;
    if (modeOf(claim.spec) !== modeOf(spec) || attributesClassOf(claim.spec) !== attributesClassOf(spec))
      continue;
    const bytes = capacityBytes(volume);
    if (bytes < wanted) continue;
    if (spec?.claimRef) {
      if (!isVolumeFor(volume, claim)) continue;
      // The scheduler takes it whatever its modes, as upstream's does.
      if (!node && !offersModes(claim, volume)) continue;
      return node && !reachesNode(volume, node) ? undefined : volume;
    }
    if (!node && isDelayed) continue;
    if (status?.phase !== 'Available') continue;
    const modes = node ? 0 : (spec?.accessModes?.length ?? 0);
    if (modes > bestModes || (modes === bestModes && bytes >= bestBytes)) continue;
    if (classOfVolume(volume) !== className || matches?.(metadata.labels) === false) continue;
    if (!offersModes(claim, volume) || (node && !reachesNode(volume, node))) continue;
    best = volume;
    bestModes = modes;
    bestBytes = bytes;
  }
  return best;
}
