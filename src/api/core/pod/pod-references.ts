/** The secrets and config maps that a pod names. */
import type { Pod } from '../../resources.gen.ts';

export interface PodReferences {
  secrets: string[];
  configMaps: string[];
}

/** Of its own namespace, in no particular order, one or more times. */
export function podReferences({ spec }: Pod): PodReferences {
  const secrets: (string | undefined)[] = [];
  const configMaps: (string | undefined)[] = [];
  for (const { name } of spec.imagePullSecrets ?? []) secrets.push(name);
  const containers = [
    ...(spec.containers ?? []),
    ...(spec.initContainers ?? []),
    ...(spec.ephemeralContainers ?? []),
  ];
  for (const container of containers) {
    for (const { secretRef, configMapRef } of container.envFrom ?? []) {
      secrets.push(secretRef?.name);
      configMaps.push(configMapRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      secrets.push(valueFrom?.secretKeyRef?.name);
      configMaps.push(valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const volume of spec.volumes ?? []) {
    secrets.push(volume.secret?.secretName);
    configMaps.push(volume.configMap?.name);
    for (const source of volume.projected?.sources ?? []) {
      secrets.push(source.secret?.name);
      configMaps.push(source.configMap?.name);
    }
    for (const reference of secretReferencesOf(volume)) secrets.push(reference.name);
  }
  return { secrets: secrets.filter(isNamed), configMaps: configMaps.filter(isNamed) };
}

function isNamed(name: string | undefined): name is string {
  return !!name;
}

/** Secrets in volume drivers of either form: any field one level down whose name ends in `secretRef`. */
export function secretReferencesOf(source: object | undefined): { name?: string; namespace?: string }[] {
  const references: { name?: string; namespace?: string }[] = [];
  for (const driver of Object.values(source ?? {})) {
    if (typeof driver !== 'object' || driver === null) continue;
    for (const [field, value] of Object.entries(driver)) {
      if (/secretref$/i.test(field) && value) references.push(value as { name?: string });
    }
  }
  return references;
}
