/** What is accepted in a PersistentVolume but deserves a warning. */

import type { PersistentVolume } from '../resources.gen.ts';
import type { PersistentVolumeSpec } from '../types/core-v1.gen.ts';
import { nodeTermWarnings } from '../validation/node-labels.ts';
import { betaClassAnnotation } from './persistent-volume-claim.ts';

export const mountOptionsAnnotation = 'volume.beta.kubernetes.io/mount-options';

const oldAnnotations: Readonly<Record<string, string>> = {
  [betaClassAnnotation]: 'deprecated since v1.8; use "storageClassName" attribute instead',
  [mountOptionsAnnotation]: 'deprecated since v1.31; use "mountOptions" attribute instead',
};

/** Sources by their fields; storageOS is named in another case than its field. */
const oldSources: readonly (readonly [source: keyof PersistentVolumeSpec, name: string, why: string])[] = [
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

export function* persistentVolumeWarnings({ metadata, spec }: PersistentVolume): Iterable<string> {
  for (const key in oldAnnotations)
    if (metadata.annotations?.[key] !== undefined)
      yield `metadata.annotations[${key}]: ${oldAnnotations[key]}`;
  if (!spec) return;
  if (spec.persistentVolumeReclaimPolicy === 'Recycle')
    yield 'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';
  for (const [index, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries())
    yield* nodeTermWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${index}]`);
  for (const [source, name, why] of oldSources) if (spec[source]) yield `spec.${name}: ${why}`;
}
