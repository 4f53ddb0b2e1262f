/** The objects to which the pods of a node refer, and which the node may read for that reason. */

import { podReferences, secretReferencesOf } from '../../api/core/pod/pod-references.ts';
import { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { mirrorPodAnnotation } from '../../api/well-known.ts';
import type { ObjectReader } from '../object-reader.ts';

/** As `namespace/name`; of what has no namespace, names. */
export interface NodeNeeds {
  secrets: Set<string>;
  configMaps: Set<string>;
  claims: Set<string>;
  volumes: Set<string>;
  serviceAccounts: Set<string>;
  resourceClaims: Set<string>;
}

/** Computed on request, and kept until a pod, a claim or a volume changes. */
export function nodeNeeds(objects: ObjectReader): (nodeName: string) => NodeNeeds {
  const kept = new Map<string, NodeNeeds>();
  let changes = -1;
  return (nodeName) => {
    const now = [Pod, PersistentVolumeClaim, PersistentVolume].reduce(
      (sum, type) => sum + objects.changesOf(type),
      0,
    );
    if (now !== changes) kept.clear();
    changes = now;
    const known = kept.get(nodeName) ?? computeNeeds(objects, nodeName);
    kept.set(nodeName, known);
    return known;
  };
}

function computeNeeds(objects: ObjectReader, nodeName: string): NodeNeeds {
  const needs: NodeNeeds = {
    secrets: new Set(),
    configMaps: new Set(),
    claims: new Set(),
    volumes: new Set(),
    serviceAccounts: new Set(),
    resourceClaims: new Set(),
  };
  for (const pod of objects.list(Pod)) if (pod.spec.nodeName === nodeName) addPodNeeds(needs, pod);
  for (const claimKey of needs.claims) {
    const [namespace, name] = claimKey.split('/') as [string, string];
    const volumeName = objects.get(PersistentVolumeClaim, namespace, name)?.spec?.volumeName;
    if (!volumeName) continue;
    needs.volumes.add(volumeName);
    const volume = objects.get(PersistentVolume, '', volumeName);
    for (const reference of secretReferencesOf(volume?.spec)) {
      needs.secrets.add(`${reference.namespace ?? namespace}/${reference.name}`);
    }
  }
  return needs;
}

function addPodNeeds(needs: NodeNeeds, pod: Pod): void {
  const { namespace, annotations } = pod.metadata;
  // A mirror pod was not created by a user with rights in the namespace: it gives access to nothing.
  if (annotations?.[mirrorPodAnnotation]) return;
  const { spec } = pod;
  if (spec.serviceAccountName) needs.serviceAccounts.add(`${namespace}/${spec.serviceAccountName}`);
  const { secrets, configMaps } = podReferences(pod);
  for (const name of secrets) needs.secrets.add(`${namespace}/${name}`);
  for (const name of configMaps) needs.configMaps.add(`${namespace}/${name}`);
  for (const volume of spec.volumes ?? []) {
    if (volume.persistentVolumeClaim)
      needs.claims.add(`${namespace}/${volume.persistentVolumeClaim.claimName}`);
    if (volume.ephemeral) needs.claims.add(`${namespace}/${pod.metadata.name}-${volume.name}`);
  }
  for (const name of resourceClaimsOf(pod)) needs.resourceClaims.add(`${namespace}/${name}`);
}

/** Those that the pod names, and those that were made for it. */
function resourceClaimsOf({ spec, status }: Pod): string[] {
  const named = [
    ...(spec.resourceClaims ?? []),
    ...(status?.resourceClaimStatuses ?? []),
    ...(status?.extendedResourceClaimStatus ? [status.extendedResourceClaimStatus] : []),
  ];
  return named.flatMap(({ resourceClaimName }) => resourceClaimName || []);
}
