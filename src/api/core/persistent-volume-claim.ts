/** PersistentVolumeClaims. */
import { ageColumn, column, nameColumn, wideColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { compareQuantities, type Quantity, tryParseQuantity, zeroQuantity } from '../quantities/quantity.ts';
import { PersistentVolumeClaim } from '../resources.gen.ts';
import { volumeAnnotations } from '../storage/volume-binding.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerDiff } from '../validation/error-value.ts';
import { type FieldErrors, forbiddenField, invalidValue } from '../validation/field-error.ts';
import { immutable } from '../validation/fields.ts';
import { claimSpecWarnings, settleDataSources, validateClaimSpec } from './claim-spec.ts';
import { validateClaimStatus } from './claim-status.ts';

/** The annotation that named the class before there was a field. */
export const betaClassAnnotation = volumeAnnotations.betaStorageClass;
const modeNames: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

/** `RWO,ROX`, in a fixed order. */
export function shortAccessModes(modes: readonly string[] | undefined): string {
  return Object.keys(modeNames)
    .filter((mode) => modes?.includes(mode))
    .map((mode) => modeNames[mode])
    .join(',');
}

export const persistentVolumeClaimKind = defineKind(PersistentVolumeClaim, {
  returnsDeleted: true,
  status: 'separate',
  columns: [
    nameColumn,
    column('Status', (claim) =>
      claim.metadata.deletionTimestamp ? 'Terminating' : (claim.status?.phase ?? ''),
    ),
    column('Volume', (claim) => claim.spec?.volumeName ?? ''),
    column('Capacity', (claim) => (claim.spec?.volumeName ? (claim.status?.capacity?.storage ?? '0') : '')),
    column('Access Modes', (claim) =>
      claim.spec?.volumeName ? shortAccessModes(claim.status?.accessModes) : '',
    ),
    column(
      'StorageClass',
      (claim) => claim.metadata.annotations?.[betaClassAnnotation] ?? claim.spec?.storageClassName ?? '',
    ),
    column('VolumeAttributesClass', (claim) => claim.spec?.volumeAttributesClassName ?? '<unset>'),
    ageColumn,
    wideColumn('VolumeMode', (claim) => claim.spec?.volumeMode ?? '<unset>'),
  ],
  defaults: defaultClaim,
  prepareCreate(claim) {
    claim.status = { phase: 'Pending' };
    if (claim.spec) settleDataSources(claim.spec);
  },
  prepareUpdate(claim, old) {
    if (claim.spec) settleDataSources(claim.spec, old.spec);
  },
  *validate(claim, { subresource }) {
    if (subresource === 'status') yield* validateClaimStatus(claim);
    else yield* validateClaimSpec(claim.spec ?? {}, 'spec');
  },
  *validateUpdate(claim, old, { subresource }) {
    if (subresource !== 'status') yield* validateClaimUpdate(claim, old);
  },
  *warnings({ metadata, spec }) {
    if (metadata.annotations?.[betaClassAnnotation] !== undefined)
      yield `metadata.annotations[${betaClassAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`;
    yield* claimSpecWarnings(spec, 'spec');
  },
  selectableFields: (claim) => ({ name: claim.metadata.name }),
});

/** Also for the claim templates of StatefulSets. */
export function defaultClaim(claim: PersistentVolumeClaim): void {
  claim.status ??= {};
  claim.status.phase ??= 'Pending';
  if (claim.spec) claim.spec.volumeMode ??= 'Filesystem';
}

function* validateClaimUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldErrors {
  const [spec, before] = [claim.spec ?? {}, old.spec ?? {}];
  const allowed: typeof spec = { ...spec };
  // Binding fills in the volume, and a class may be given to a claim that has none.
  if (!before.volumeName && spec.volumeName) delete allowed.volumeName;
  yield* validateClassUpdate(claim, old, allowed);
  if (claim.status?.phase === 'Bound') {
    const { requests, ...rest } = spec.resources ?? {};
    const stored = before.resources?.requests?.storage;
    allowed.resources = {
      ...rest,
      ...(requests && { requests: { ...requests, ...(stored !== undefined && { storage: stored }) } }),
    };
    if (before.volumeAttributesClassName)
      allowed.volumeAttributesClassName = before.volumeAttributesClassName;
    else delete allowed.volumeAttributesClassName;
  }
  if (!semanticEqual(allowed, before))
    yield forbiddenField(
      'spec',
      `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${innerDiff('core.PersistentVolumeClaimSpec', before, allowed)}`,
    );
  const [now, was, capacity] = [
    spec.resources?.requests?.storage,
    before.resources?.requests?.storage,
    old.status?.capacity?.storage,
  ].map((text) => tryParseQuantity(text) ?? zeroQuantity) as [Quantity, Quantity, Quantity];
  if (compareQuantities(now, was) < 0 && compareQuantities(now, capacity) <= 0)
    yield forbiddenField('spec.resources.requests.storage', 'field can not be less than status.capacity');
  yield* immutable(spec.volumeMode, before.volumeMode, 'volumeMode');
  yield* validateAttributesClassUpdate(claim, old);
}

/** A class is named once: in the annotation that there was before the field, or in the field. */
function* validateClassUpdate(
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
  allowed: NonNullable<PersistentVolumeClaim['spec']>,
): FieldErrors {
  const [named, before] = [claim, old].map(({ metadata }) => metadata.annotations?.[betaClassAnnotation]);
  const [name, nameBefore] = [claim.spec?.storageClassName, old.spec?.storageClassName];
  const isNew = name !== undefined && nameBefore === undefined;
  const movesToField = before !== undefined && isNew && name === before && (named ?? before) === before;
  if (!movesToField && (named ?? '') !== (before ?? ''))
    yield invalidValue(`metadata.annotations.${betaClassAnnotation}`, named ?? '', 'field is immutable');
  if (movesToField || (isNew && (before === undefined || before === name))) delete allowed.storageClassName;
}

function* validateAttributesClassUpdate(
  { spec }: PersistentVolumeClaim,
  { status }: PersistentVolumeClaim,
): FieldErrors {
  if (status?.currentVolumeAttributesClassName === undefined) return;
  const name = spec?.volumeAttributesClassName;
  if (name) return;
  yield forbiddenField(
    'spec.volumeAttributesClassName',
    `update to ${name === undefined ? 'nil' : 'empty string'} is forbidden when status.currentVolumeAttributesClassName is not nil`,
  );
}
