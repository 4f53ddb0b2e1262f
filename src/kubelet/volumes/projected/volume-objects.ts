/** Which ConfigMaps, Secrets and trust bundles a pod's spec names. Pure. */
import type { ResourceType } from '../../../api/meta.ts';
import { ClusterTrustBundle, ConfigMap, type Pod, Secret } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import type { ObjectUse } from '../../object-source.ts';
import { bundlesOfSigner } from './trust-anchors.ts';

export function volumeObjectsOf(pod: Pod): ObjectUse[] {
  const { namespace = '' } = pod.metadata;
  const uses = new Map<string, ObjectUse>();
  const add = (type: ResourceType, name: string | undefined) => {
    if (name) uses.set(`${type.plural}/${name}`, { type, at: { namespace, name } });
  };
  for (const volume of pod.spec.volumes ?? []) {
    add(ConfigMap, volume.configMap?.name);
    add(Secret, volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      add(ConfigMap, source.configMap?.name);
      add(Secret, source.secret?.name);
      if (source.clusterTrustBundle) addBundles(uses, source.clusterTrustBundle);
    }
  }
  const containers = [
    ...(pod.spec.initContainers ?? []),
    ...pod.spec.containers,
    ...(pod.spec.ephemeralContainers ?? []),
  ];
  for (const container of containers) {
    for (const source of container.envFrom ?? []) {
      add(ConfigMap, source.configMapRef?.name);
      add(Secret, source.secretRef?.name);
    }
    for (const variable of container.env ?? []) {
      add(ConfigMap, variable.valueFrom?.configMapKeyRef?.name);
      add(Secret, variable.valueFrom?.secretKeyRef?.name);
    }
  }
  for (const reference of pod.spec.imagePullSecrets ?? []) add(Secret, reference.name);
  return [...uses.values()];
}

function addBundles(
  uses: Map<string, ObjectUse>,
  { name, signerName }: core.ClusterTrustBundleProjection,
): void {
  const type = ClusterTrustBundle;
  if (name) uses.set(`${type.plural}/${name}`, { type, at: { name } });
  else if (signerName)
    uses.set(`${type.plural}/by ${signerName}`, { type, fieldSelector: bundlesOfSigner(signerName) });
}
