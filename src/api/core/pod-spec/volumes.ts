/** Validation of a pod's volumes. */

import { validateDriverName } from '../../storage/csi-driver.ts';
import type { CSIVolumeSource, PersistentVolumeClaimTemplate, Volume } from '../../types/core-v1.gen.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
} from '../../validation/field-error.ts';
import { invalidFor, oneOf } from '../../validation/fields.ts';
import { dnsLabelProblems, subdomainProblems } from '../../validation/names.ts';
import { validateTemplateMeta } from '../../validation/object-meta.ts';
import { nonNegativeQuantity } from '../../validation/resources.ts';
import { validateClaimSpec } from '../claim-spec.ts';
import { oneTooMany, pathOfSource, validateVolumeSource, volumeSourceNames } from '../volume-source.ts';
import type { PodVolumes } from './mounts.ts';
import { fileMode, localDescendingPath } from './paths.ts';
import { validateProjected } from './projections.ts';
import { validateDownwardFile, validateItems } from './volume-files.ts';

/**
 * The errors of a pod's volumes, and the valid volumes: containers can use only these. With the name of a pod, unlike that
 * of a template, those of its ephemeral claims are known.
 */
export function checkVolumes(
  volumes: Volume[] | undefined,
  field: string,
  podName: string | undefined,
): { errors: FieldError[]; usable: PodVolumes } {
  const errors: FieldError[] = [];
  const usable = new Map<string, Volume>();
  for (const [index, volume] of (volumes ?? []).entries()) {
    const found = [...validateVolume(volume, usable, `${field}[${index}]`, podName)];
    if (found.length === 0) usable.set(volume.name, volume);
    errors.push(...found);
  }
  return { errors, usable };
}

function* validateVolume(
  volume: Volume,
  before: PodVolumes,
  path: string,
  podName: string | undefined,
): FieldErrors {
  yield* validateSource(volume, path);
  if (volume.ephemeral && podName && volume.name) {
    const claim = `${podName}-${volume.name}`;
    for (const problem of subdomainProblems(claim))
      yield invalidValue(`${path}.name`, volume.name, `PVC name ${JSON.stringify(claim)}: ${problem}`);
  }
  if (!volume.name) yield required(`${path}.name`);
  else {
    yield* invalidFor(`${path}.name`, volume.name, dnsLabelProblems(volume.name));
    if (before.has(volume.name)) yield duplicate(`${path}.name`, volume.name);
  }
}

function* validateSource(volume: Volume, field: string): FieldErrors {
  let count = 0;
  for (const type of volumeSourceNames) {
    const source = volume[type as keyof Volume] as Record<string, unknown> | undefined;
    if (!source) continue;
    if (count++ > 0) yield oneTooMany(type, field);
    else yield* validateOneSource(volume, type, source, `${field}.${pathOfSource(type)}`);
  }
  if (count === 0) yield required(field, 'must specify a volume type');
}

function* validateOneSource(
  volume: Volume,
  type: string,
  source: Record<string, unknown>,
  path: string,
): FieldErrors {
  switch (type) {
    case 'emptyDir':
      if (
        volume.emptyDir?.sizeLimit !== undefined &&
        nonNegativeQuantity(volume.emptyDir.sizeLimit, '').length > 0
      )
        yield forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity');
      return;
    case 'secret':
      if (!volume.secret?.secretName) yield required(`${path}.secretName`);
      yield* fileMode(volume.secret?.defaultMode, `${path}.defaultMode`);
      yield* validateItems(volume.secret?.items, `${path}.items`);
      return;
    case 'configMap':
      if (!volume.configMap?.name) yield required(`${path}.name`);
      yield* fileMode(volume.configMap?.defaultMode, `${path}.defaultMode`);
      yield* validateItems(volume.configMap?.items, `${path}.items`);
      return;
    case 'downwardAPI':
      yield* fileMode(volume.downwardAPI?.defaultMode, `${path}.defaultMode`);
      for (const item of volume.downwardAPI?.items ?? []) yield* validateDownwardFile(item, path);
      return;
    case 'gitRepo':
      if (!volume.gitRepo?.repository) yield required(`${path}.repository`);
      yield* localDescendingPath(volume.gitRepo?.directory ?? '', `${path}.directory`);
      return;
    case 'persistentVolumeClaim':
      if (!volume.persistentVolumeClaim?.claimName) yield required(`${path}.claimName`);
      return;
    case 'projected':
      yield* validateProjected(volume.projected!, path);
      return;
    case 'ephemeral':
      if (!volume.ephemeral?.volumeClaimTemplate) yield required(`${path}.volumeClaimTemplate`);
      else yield* validateClaimTemplate(volume.ephemeral.volumeClaimTemplate, `${path}.volumeClaimTemplate`);
      return;
    case 'csi':
      yield* validateInlineCsi(volume.csi!, path);
      return;
    case 'image':
      if (!volume.image?.reference) yield required(`${path}.reference`);
      yield* oneOf(
        volume.image?.pullPolicy,
        ['Always', 'IfNotPresent', 'Never'],
        `${path}.pullPolicy`,
        'optional',
      );
      return;
    default:
      yield* validateVolumeSource(type, source, path);
  }
}

function* validateClaimTemplate(template: PersistentVolumeClaimTemplate, field: string): FieldErrors {
  yield* validateTemplateMeta(template.metadata, `${field}.metadata`);
  yield* validateClaimSpec(template.spec ?? {}, `${field}.spec`);
}

function* validateInlineCsi({ driver, nodePublishSecretRef }: CSIVolumeSource, field: string): FieldErrors {
  yield* validateDriverName(driver, `${field}.driver`);
  if (!nodePublishSecretRef) return;
  const { name } = nodePublishSecretRef;
  if (!name) yield required(`${field}.nodePublishSecretRef.name`);
  // Upstream names the secret's field without where it stands.
  else yield* invalidFor(`${field}.name`, name, subdomainProblems(name));
}
