/** References of a pod to API objects: a mirror pod, which comes from a file, may have none. */

import { podReferences } from '../../../api/core/pod/pod-references.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type { Volume, VolumeProjection } from '../../../api/types/core-v1.gen.ts';

const ofVolumes: readonly (readonly [keyof Volume, string])[] = [
  ['csi', 'csidrivers (via CSI volumes)'],
  ['glusterfs', 'endpoints (via glusterFS volumes)'],
  ['persistentVolumeClaim', 'persistentvolumeclaims'],
  ['ephemeral', 'persistentvolumeclaims (via ephemeral volumes)'],
];

const ofProjections: readonly (readonly [keyof VolumeProjection, string])[] = [
  ['serviceAccountToken', 'serviceaccounts (via projected volumes)'],
  ['clusterTrustBundle', 'clustertrustbundles'],
  ['podCertificate', 'podcertificates'],
];

/** The first one found, in upstream's words. */
export function apiReferenceOf(pod: Pod): string | undefined {
  const { spec } = pod;
  if (spec.serviceAccountName) return 'serviceaccounts';
  const { secrets, configMaps } = podReferences(pod);
  if (secrets.length > 0) return 'secrets';
  if (configMaps.length > 0) return 'configmaps';
  if (spec.resourceClaims?.length) return 'resourceclaims';
  for (const volume of spec.volumes ?? []) {
    for (const [field, what] of ofVolumes) if (volume[field]) return what;
    for (const source of volume.projected?.sources ?? [])
      for (const [field, what] of ofProjections) if (source[field]) return what;
  }
  return undefined;
}
