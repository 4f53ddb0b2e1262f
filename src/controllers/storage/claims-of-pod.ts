/** Which claims a pod's volumes use. */
import type { Pod } from '../../api/resources.gen.ts';

/** Name of the index of pods by {@link claimKeysOf}. */
export const podsByClaim = 'claim';

/** `namespace/name`, those of generic ephemeral volumes included. */
export function claimKeysOf({ metadata, spec }: Pod): string[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [`${metadata.namespace}/${persistentVolumeClaim.claimName}`];
    return ephemeral ? [`${metadata.namespace}/${metadata.name}-${name}`] : [];
  });
}

/**
 * Claims that must be kept for the pod. A pod that has ended, and that only finalizers keep, does not hold the claims
 * created for it alone: when it is deleted in the foreground, it waits for those claims to go first.
 */
export function claimKeysHeldBy({ metadata, spec }: Pod): string[] {
  const hasEnded = metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;
  const volumes = hasEnded ? spec?.volumes?.filter(({ ephemeral }) => !ephemeral) : spec?.volumes;
  return claimKeysOf({ metadata, spec: { ...spec!, volumes: volumes ?? [] } } as Pod);
}
