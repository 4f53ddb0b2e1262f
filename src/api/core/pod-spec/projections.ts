/** Validation of a projected volume: what several sources put into one directory. */

import { bundleNameProblems, signerOfBundleName } from '../../certificates/bundle-name.ts';
import {
  lifetimeMaxOf,
  lifetimeSecondsMin,
  validateUserAnnotations,
} from '../../certificates/pod-certificate-rules.ts';
import type {
  ClusterTrustBundleProjection,
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../types/core-v1.gen.ts';
import { innerForm } from '../../validation/error-value.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupportedInOrder,
  required,
} from '../../validation/field-error.ts';
import { validateLabelSelector } from '../../validation/label-selector.ts';
import { validateSignerName } from '../../validation/signer-name.ts';
import { fileMode, localNonReservedPath } from './paths.ts';
import { validateDownwardFile, validateItems } from './volume-files.ts';

const projectionNames = [
  'secret',
  'configMap',
  'downwardAPI',
  'serviceAccountToken',
  'clusterTrustBundle',
  'podCertificate',
] as const;

/** Takes a path of the volume, which no other file may have. `owner`: what the error shows. */
type Claim = (path: string, owner: string) => FieldErrors;

export function* validateProjected(projected: ProjectedVolumeSource, field: string): FieldErrors {
  yield* fileMode(projected.defaultMode, `${field}.defaultMode`);
  const paths = new Set<string>();
  const claim: Claim = function* (path, owner) {
    if (!path) return;
    if (paths.has(path)) yield invalidValue(field, owner, 'conflicting duplicate paths');
    paths.add(path);
  };
  for (const [index, source] of (projected.sources ?? []).entries()) {
    const path = `${field}.sources[${index}]`;
    yield* validateProjection(source, path, field, claim);
    if (projectionNames.filter((name) => source[name]).length > 1)
      yield forbiddenField(path, 'may not specify more than 1 volume type per source');
  }
}

/** A source that is empty is no error: the client is warned. */
function* validateProjection(
  source: VolumeProjection,
  path: string,
  field: string,
  claim: Claim,
): FieldErrors {
  for (const type of ['secret', 'configMap'] as const) {
    const keyed = source[type];
    if (!keyed) continue;
    if (!keyed.name) yield required(`${path}.${type}.name`);
    yield* validateItems(keyed.items, `${path}.${type}.items`);
    for (const item of keyed.items ?? []) yield* claim(item.path, keyed.name ?? '');
  }
  for (const item of source.downwardAPI?.items ?? []) {
    yield* validateDownwardFile(item, `${path}.downwardAPI`);
    yield* claim(item.path, item.path);
  }
  const { serviceAccountToken: token, clusterTrustBundle: bundle, podCertificate: certificate } = source;
  if (token) yield* validateToken(token, `${path}.serviceAccountToken`, field);
  if (bundle) yield* validateBundle(bundle, `${path}.clusterTrustBundle`, claim);
  if (certificate) yield* validateCertificate(certificate, `${path}.podCertificate`, claim);
}

const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;

/** Upstream names a token's path without its source, and lets it share the path with another file. */
function* validateToken(token: ServiceAccountTokenProjection, path: string, field: string): FieldErrors {
  const seconds = token.expirationSeconds ?? 0;
  if (seconds < tokenSecondsMin)
    yield invalidValue(
      `${path}.expirationSeconds`,
      seconds,
      'may not specify a duration less than 10 minutes',
    );
  if (seconds > tokenSecondsMax)
    yield invalidValue(
      `${path}.expirationSeconds`,
      seconds,
      'may not specify a duration larger than 2^32 seconds',
    );
  if (!token.path) yield required(`${field}.path`);
  else yield* localNonReservedPath(token.path, `${field}.path`);
}

function* validateBundle(bundle: ClusterTrustBundleProjection, path: string, claim: Claim): FieldErrors {
  const { name, signerName, labelSelector } = bundle;
  if (name !== undefined && signerName !== undefined)
    yield invalidValue(
      path,
      innerForm('core.ClusterTrustBundleProjection', bundle),
      'only one of name and signerName may be used',
    );
  else if (name !== undefined) {
    if (name === '') yield required(`${path}.name`, 'must be a valid object name');
    for (const problem of bundleNameProblems(name, signerOfBundleName(name)))
      yield invalidValue(`${path}.name`, name, `not a valid clustertrustbundlename: ${problem}`);
    if (labelSelector)
      yield invalidValue(
        `${path}.labelSelector`,
        labelSelector,
        'labelSelector must be unset if name is specified',
      );
  } else if (signerName !== undefined) {
    if (signerName === '') yield required(`${path}.signerName`, 'must be a valid signer name');
    yield* validateSignerName(signerName, `${path}.signerName`);
    yield* validateLabelSelector(labelSelector, `${path}.labelSelector`);
  } else yield required(path, 'either name or signerName must be specified');
  if (!bundle.path) yield required(`${path}.path`);
  yield* localNonReservedPath(bundle.path ?? '', `${path}.path`);
  yield* claim(bundle.path, bundle.path);
}

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519'];

function* validateCertificate(
  certificate: PodCertificateProjection,
  path: string,
  claim: Claim,
): FieldErrors {
  const { signerName = '', keyType = '', maxExpirationSeconds: seconds } = certificate;
  yield* validateSignerName(signerName, `${path}.signerName`);
  yield* validateUserAnnotations(certificate.userAnnotations, `${path}.userAnnotations`);
  if (!keyTypes.includes(keyType)) yield notSupportedInOrder(`${path}.keyType`, keyType, keyTypes);
  if (seconds !== undefined) yield* validateLifetime(seconds, signerName, `${path}.maxExpirationSeconds`);
  const files = ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const;
  for (const name of files) {
    const file = certificate[name];
    if (!file) continue;
    yield* localNonReservedPath(file, `${path}.${name}`);
    yield* claim(file, file);
  }
  if (!files.some((name) => certificate[name]))
    yield required(path, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath');
}

function* validateLifetime(seconds: number, signerName: string, field: string): FieldErrors {
  const max = lifetimeMaxOf(signerName);
  if (seconds < lifetimeSecondsMin)
    yield invalidValue(field, seconds, `if provided, maxExpirationSeconds must be >= ${lifetimeSecondsMin}`);
  if (seconds > max)
    yield invalidValue(field, seconds, `if provided, maxExpirationSeconds must be <= ${max}`);
}
