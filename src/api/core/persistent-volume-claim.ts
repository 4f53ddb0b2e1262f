/** PersistentVolumeClaims. */
import { ageColumn, column, nameColumn, wideColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { type FieldErrors, forbiddenField } from '../field-error.ts';
import { compareQuantities, tryParseQuantity } from '../quantity.ts';
import { PersistentVolumeClaim } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { immutable } from '../validation/fields.ts';
import { validateClaimSpec } from './claim-spec.ts';
import { differences } from './pod-update.ts';

/** The annotation that named the class before there was a field. */
export const betaClassAnnotation = 'volume.beta.kubernetes.io/storage-class';
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
  },
  *validate(claim, { subresource }) {
    if (subresource !== 'status') yield* validateClaimSpec(claim.spec ?? {}, 'spec');
  },
  *validateUpdate(claim, old, { subresource }) {
    if (subresource !== 'status') yield* validateClaimUpdate(claim, old);
  },
  selectableFields: (claim) => ({ name: claim.metadata.name }),
});

/** Also for the claim templates of StatefulSets. */
export function defaultClaim(claim: PersistentVolumeClaim): void {
  claim.status ??= {};
  claim.status.phase ??= 'Pending';
  if (claim.spec) claim.spec.volumeMode ||= 'Filesystem';
}

function* validateClaimUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldErrors {
  const [spec, before] = [claim.spec ?? {}, old.spec ?? {}];
  const allowed: typeof spec = { ...spec };
  // Binding fills in the volume, and a class may be given to a claim that has none.
  if (!before.volumeName && spec.volumeName) delete allowed.volumeName;
  if (before.storageClassName === undefined) delete allowed.storageClassName;
  if (old.status?.phase === 'Bound') {
    const { requests: _, ...rest } = spec.resources ?? {};
    allowed.resources = {
      ...rest,
      ...(before.resources?.requests && { requests: before.resources.requests }),
    };
    if (before.volumeAttributesClassName)
      allowed.volumeAttributesClassName = before.volumeAttributesClassName;
    else delete allowed.volumeAttributesClassName;
  }
  if (!semanticEqual(allowed, before)) {
    yield forbiddenField(
      'spec',
      `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${differences(before, allowed)}`,
    );
    return;
  }
  const [now, was] = [spec, before].map((each) => tryParseQuantity(each.resources?.requests?.storage));
  const capacity = tryParseQuantity(old.status?.capacity?.storage);
  if (now && was && compareQuantities(now, was) < 0 && (!capacity || compareQuantities(now, capacity) <= 0))
    yield forbiddenField('spec.resources.requests.storage', 'field can not be less than status.capacity');
  yield* immutable(spec.volumeMode, before.volumeMode, 'spec.volumeMode');
}
