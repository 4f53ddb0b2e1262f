/** Which changes of claims, volumes and other pods justify another attempt for a pod that its volumes kept out. */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/resources.gen.ts';
import type { ClusterEvent } from '../../framework/plugin.ts';
import { claimNameOf, type PodInfo } from '../../framework/pod-info.ts';

export function isOwnClaim(pod: PodInfo, { current }: ClusterEvent): boolean {
  const { namespace, name } = (current as PersistentVolumeClaim).metadata;
  return pod.claims.includes(`${namespace}/${name}`);
}

/** One that belongs to another claim is of no use. */
export function mayBeItsVolume(pod: PodInfo, { current }: ClusterEvent): boolean {
  if (pod.claims.length === 0) return false;
  const owner = (current as PersistentVolume).spec?.claimRef;
  return !owner || pod.claims.includes(`${owner.namespace}/${owner.name}`);
}

/** A pod is gone that used a claim of the waiting one. */
export function freesItsClaim(pod: PodInfo, { old }: ClusterEvent): boolean {
  return claimsOf(old as Pod).some((claim) => pod.claims.includes(claim));
}

/** A pod is gone that used some claim, and so one of the volumes that its node can hold. */
export function freesAnyClaim(_pod: PodInfo, { old }: ClusterEvent): boolean {
  return claimsOf(old as Pod).length > 0;
}

function claimsOf(pod: Pod): string[] {
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    return name === undefined ? [] : [`${pod.metadata.namespace}/${name}`];
  });
}
