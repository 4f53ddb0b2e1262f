/** Which claims a pod's volumes stand on. */
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
