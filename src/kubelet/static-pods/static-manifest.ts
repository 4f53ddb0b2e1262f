/**
 * Reads manifests of static pods as the API server reads a pod: decoded, defaulted and validated. Loaded only when
 * there is a manifest: the code behind it is large.
 */
import { parseAllDocuments } from 'yaml';
import { podKind } from '../../api/core/pod.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { decode } from '../../api/schema/decode.ts';
import { applySchemaDefaults } from '../../api/schema/defaults.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { volumeObjectsOf } from '../volumes/projected/volume-objects.ts';

export interface Manifest {
  /** The hash of the manifest: when it changes, the pod is a new one. */
  written: object;
  pod: Pod;
}

/** All pods of a file. @throws Error that says what is wrong with one of them */
export function readManifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem) throw problem;
    const written = document.toJS() as object | null;
    return written === null ? [] : [{ written, pod: readPod(written) }];
  });
}

function readPod(written: object): Pod {
  const { apiVersion, kind } = written as Partial<Pod>;
  if (apiVersion !== 'v1' || kind !== 'Pod') throw new Error(`no Pod of v1, but ${kind} of ${apiVersion}`);
  const { object: pod } = decode<Pod>(podKind.schema, written);
  if (!pod.metadata?.name) throw new Error('metadata.name: Required value');
  pod.metadata.namespace ||= 'default';
  // Validation expects these fields, which the API server would set.
  pod.spec ??= { containers: [] };
  applySchemaDefaults(podKind.schema, pod);
  podKind.defaults?.(pod);
  const errors = [...podKind.validate(pod, { subresource: '' })];
  if (errors.length > 0) throw new Error(errors.map(({ text }) => text).join(', '));
  const reference = apiReferenceOf(pod);
  if (reference) throw new Error(`static pods may not reference ${reference}`);
  return pod;
}

/** References to API objects, which a pod that runs without the API cannot have. */
export function apiReferenceOf(pod: Pod): string | undefined {
  const { spec } = pod;
  if (spec.serviceAccountName) return 'serviceaccounts';
  if (spec.resourceClaims?.length) return 'resourceclaims';
  for (const volume of spec.volumes ?? []) {
    const reference = volumeReference(volume);
    if (reference) return reference;
  }
  return volumeObjectsOf(pod)[0]?.type.plural;
}

const sourcesFromApi = {
  configMap: 'configmaps (via projected volumes)',
  secret: 'secrets (via projected volumes)',
  serviceAccountToken: 'serviceaccounts (via projected volumes)',
  clusterTrustBundle: 'clustertrustbundles',
  podCertificate: 'podcertificates',
} as const;

function volumeReference(volume: core.Volume): string | undefined {
  if (volume.configMap) return 'configmaps (via configmap volumes)';
  if (volume.secret) return 'secrets (via secret volumes)';
  if (volume.csi) return 'csidrivers (via CSI volumes)';
  if (volume.glusterfs) return 'endpoints (via glusterFS volumes)';
  if (volume.persistentVolumeClaim) return 'persistentvolumeclaims';
  if (volume.ephemeral) return 'persistentvolumeclaims (via ephemeral volumes)';
  if (volume.azureFile) return 'secrets (via azureFile volumes)';
  for (const source of volume.projected?.sources ?? [])
    for (const [name, reference] of Object.entries(sourcesFromApi)) if (name in source) return reference;
  return undefined;
}
