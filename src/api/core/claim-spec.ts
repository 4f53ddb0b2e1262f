/** Validation of the spec of a claim for storage: in claims, claim templates and ephemeral volumes. */

import type { PersistentVolumeClaimSpec } from '../types/core-v1.gen.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { dnsLabelProblems, subdomainProblems } from '../validation/names.ts';
import { fractionWarnings, nonNegativeQuantity, positiveQuantity } from '../validation/resources.ts';

export const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export function* validateClaimSpec(spec: PersistentVolumeClaimSpec, field: string): FieldErrors {
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) yield required(`${field}.accessModes`, 'at least 1 access mode is required');
  yield* validateLabelSelector(spec.selector, `${field}.selector`);
  for (const mode of modes) yield* oneOf(mode, accessModes, `${field}.accessModes`);
  yield* onePodAlone(modes, `${field}.accessModes`);
  yield* validateStorage(spec.resources?.requests?.storage, `${field}.resources[storage]`);
  if (spec.storageClassName)
    yield* invalidFor(
      `${field}.storageClassName`,
      spec.storageClassName,
      subdomainProblems(spec.storageClassName),
    );
  yield* oneOf(spec.volumeMode, ['Block', 'Filesystem'], `${field}.volumeMode`, 'undefined');
  for (const name of ['dataSource', 'dataSourceRef'] as const)
    if (spec[name]) yield* validateSource(spec[name], `${field}.${name}`);
  yield* validateSourcesAgree(spec, field);
  const attributes = spec.volumeAttributesClassName;
  if (attributes)
    yield* invalidFor(`${field}.volumeAttributesClassName`, attributes, subdomainProblems(attributes));
}

/** What is accepted in the spec of a claim but cannot be had. */
export function* claimSpecWarnings(
  spec: PersistentVolumeClaimSpec | undefined,
  field: string,
): Iterable<string> {
  for (const list of ['requests', 'limits'] as const)
    yield* fractionWarnings(spec?.resources?.[list], 'storage', `${field}.resources.${list}`);
}

/** Of what only one pod may use, no other mode can be had as well. */
export function* onePodAlone(modes: readonly string[], field: string): FieldErrors {
  const others = modes.some((mode) => mode !== 'ReadWriteOncePod' && accessModes.includes(mode));
  if (others && modes.includes('ReadWriteOncePod'))
    yield forbiddenField(field, 'may not use ReadWriteOncePod with other access modes');
}

function* validateStorage(storage: string | undefined, field: string): FieldErrors {
  if (storage === undefined) {
    yield required(field);
    return;
  }
  const errors = positiveQuantity(storage, field);
  yield* errors.length > 0 ? errors : nonNegativeQuantity(storage, field);
}

type DataSource = NonNullable<PersistentVolumeClaimSpec['dataSourceRef']>;

function* validateSource(source: DataSource, field: string): FieldErrors {
  if (!source.name) yield required(`${field}.name`);
  if (!source.kind) yield required(`${field}.kind`);
  if (!source.apiGroup && source.kind !== 'PersistentVolumeClaim')
    yield invalidValue(
      field,
      source.kind ?? '',
      "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
    );
  if (source.apiGroup)
    yield* invalidFor(`${field}.apiGroup`, source.apiGroup, subdomainProblems(source.apiGroup));
  if (source.namespace)
    yield* invalidFor(`${field}.namespace`, source.namespace, dnsLabelProblems(source.namespace));
}

/** The older of the two fields says the same as the newer one, or nothing. (Its path is what upstream prints as a value.) */
function* validateSourcesAgree(
  { dataSource, dataSourceRef }: PersistentVolumeClaimSpec,
  field: string,
): FieldErrors {
  if (!dataSource || !dataSourceRef) return;
  const isSame = (['apiGroup', 'kind', 'name'] as const).every(
    (name) => dataSource[name] === dataSourceRef[name],
  );
  if (dataSourceRef.namespace)
    yield invalidValue(field, {}, 'may not be specified when dataSourceRef.namespace is specified');
  else if (!isSame) yield invalidValue(field, {}, 'must match dataSourceRef');
}

const snapshotGroup = 'snapshot.storage.k8s.io';

/**
 * A claim made by an old client has its source in `dataSource`, one by a new client in `dataSourceRef`; the stored claim
 * has it in both. What is in `dataSource` alone and no old server would have known is dropped, as it was then; and so is
 * a reference to another namespace, which is behind a gate.
 */
export function settleDataSources(spec: PersistentVolumeClaimSpec, old?: PersistentVolumeClaimSpec): void {
  if (spec.dataSourceRef?.namespace && !old?.dataSourceRef) delete spec.dataSourceRef;
  const wasUsed = old?.dataSource !== undefined || old?.dataSourceRef !== undefined;
  if (!wasUsed && !spec.dataSourceRef && spec.dataSource && !isKnownOfOld(spec.dataSource))
    delete spec.dataSource;
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = referenceOf(spec.dataSource);
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace)
    spec.dataSource = referenceOf(spec.dataSourceRef);
}

function isKnownOfOld({ apiGroup, kind }: DataSource): boolean {
  return (
    (kind === 'PersistentVolumeClaim' && !apiGroup) ||
    (kind === 'VolumeSnapshot' && apiGroup === snapshotGroup)
  );
}

function referenceOf({ apiGroup, kind, name }: DataSource): DataSource {
  return { ...(apiGroup !== undefined && { apiGroup }), kind, name };
}
