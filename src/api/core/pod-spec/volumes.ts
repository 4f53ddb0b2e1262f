/** Validation of a pod's volumes. */

import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from '../../types/core-v1.gen.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
} from '../../validation/field-error.ts';
import { invalidFor, oneOf } from '../../validation/fields.ts';
import { dnsLabelProblems } from '../../validation/names.ts';
import { nonNegativeQuantity } from '../../validation/resources.ts';
import { validateClaimSpec } from '../claim-spec.ts';
import { oneTooMany, pathOfSource, validateVolumeSource, volumeSourceNames } from '../volume-source.ts';
import type { PodVolumes } from './mounts.ts';
import { fileMode, localDescendingPath, localNonReservedPath } from './paths.ts';
import { validateFieldRef, validateResourceFieldRef, volumeFieldPaths } from './references.ts';

/** The errors of a pod's volumes, and the valid volumes: containers can use only these. */
export function checkVolumes(
  volumes: Volume[] | undefined,
  field: string,
): { errors: FieldError[]; usable: PodVolumes } {
  const errors: FieldError[] = [];
  const usable = new Map<string, Volume>();
  for (const [index, volume] of (volumes ?? []).entries()) {
    const found = [...validateVolume(volume, usable, `${field}[${index}]`)];
    if (found.length === 0) usable.set(volume.name, volume);
    errors.push(...found);
  }
  return { errors, usable };
}

function* validateVolume(volume: Volume, before: PodVolumes, path: string): FieldErrors {
  yield* validateSource(volume, path);
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
      else
        yield* validateClaimSpec(
          volume.ephemeral.volumeClaimTemplate.spec ?? {},
          `${path}.volumeClaimTemplate.spec`,
        );
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

function* validateItems(items: KeyToPath[] | undefined, field: string): FieldErrors {
  for (const [index, item] of (items ?? []).entries()) {
    const path = `${field}[${index}]`;
    if (!item.key) yield required(`${path}.key`);
    if (!item.path) yield required(`${path}.path`);
    else yield* localNonReservedPath(item.path, `${path}.path`);
    yield* fileMode(item.mode, `${path}.mode`);
  }
}

/** Upstream names the fields of downward files without their index. */
function* validateDownwardFile(item: DownwardAPIVolumeFile, field: string): FieldErrors {
  if (!item.path) yield required(`${field}.path`);
  else yield* localNonReservedPath(item.path, `${field}.path`);
  if (item.fieldRef) {
    yield* validateFieldRef(item.fieldRef, volumeFieldPaths, `${field}.fieldRef`);
    if (item.resourceFieldRef)
      yield invalidValue(
        field,
        'resource',
        'fieldRef and resourceFieldRef can not be specified simultaneously',
      );
  } else if (item.resourceFieldRef)
    yield* validateResourceFieldRef(item.resourceFieldRef, `${field}.resourceFieldRef`, {
      mustNameContainer: true,
    });
  else yield required(field, 'one of fieldRef and resourceFieldRef is required');
  yield* fileMode(item.mode, `${field}.mode`);
}

const projectionNames = [
  'secret',
  'configMap',
  'downwardAPI',
  'serviceAccountToken',
  'clusterTrustBundle',
  'podCertificate',
] as const;
const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;

function* validateProjected(projected: ProjectedVolumeSource, field: string): FieldErrors {
  yield* fileMode(projected.defaultMode, `${field}.defaultMode`);
  const paths = new Set<string>();
  for (const [index, source] of (projected.sources ?? []).entries())
    yield* validateProjection(source, `${field}.sources[${index}]`, (path, owner) =>
      claimPath(path, owner, paths, field),
    );
}

/** `claim`: takes a path of the volume, which no other file may have. */
function* validateProjection(
  source: VolumeProjection,
  path: string,
  claim: (path: string, owner: string) => FieldErrors,
): FieldErrors {
  const [first, ...others] = projectionNames.filter((name) => source[name]);
  for (const other of others)
    yield forbiddenField(`${path}.${other}`, 'may not specify more than 1 volume type');
  if (!first) yield required(path, 'one of the available projection sources is required');
  for (const type of ['secret', 'configMap'] as const) {
    const keyed = source[type];
    if (!keyed) continue;
    if (!keyed.name) yield required(`${path}.${type}.name`);
    yield* validateItems(keyed.items, `${path}.${type}.items`);
    for (const item of keyed.items ?? []) yield* claim(item.path, keyed.name ?? '');
  }
  for (const item of source.downwardAPI?.items ?? []) {
    yield* validateDownwardFile(item, `${path}.downwardAPI`);
    yield* claim(item.path, 'downwardAPI');
  }
  const { serviceAccountToken: token, clusterTrustBundle: bundle } = source;
  if (token) yield* validateProjectedToken(token, `${path}.serviceAccountToken`);
  if (token?.path) yield* claim(token.path, token.path);
  if (!bundle) return;
  if (!bundle.name && !bundle.signerName)
    yield required(`${path}.clusterTrustBundle`, 'either name or signerName must be specified');
  if (!bundle.path) yield required(`${path}.clusterTrustBundle.path`);
  else yield* claim(bundle.path, bundle.path);
}

function* validateProjectedToken(token: ServiceAccountTokenProjection, field: string): FieldErrors {
  const { expirationSeconds: seconds = 0, path } = token;
  if (seconds < tokenSecondsMin)
    yield invalidValue(
      `${field}.expirationSeconds`,
      seconds,
      'may not specify a duration less than 10 minutes',
    );
  if (seconds > tokenSecondsMax)
    yield invalidValue(
      `${field}.expirationSeconds`,
      seconds,
      'may not specify a duration larger than 2^32 seconds',
    );
  if (!path) yield required(`${field}.path`);
  else yield* localNonReservedPath(path, `${field}.path`);
}

function* claimPath(path: string, owner: string, paths: Set<string>, field: string): FieldErrors {
  if (!path) return;
  if (paths.has(path)) yield invalidValue(field, owner, 'conflicting duplicate paths');
  paths.add(path);
}
