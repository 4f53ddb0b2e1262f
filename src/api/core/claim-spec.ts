/** Validation of the spec of a claim for storage: in claims, claim templates and ephemeral volumes. */
import { type FieldErrors, forbiddenField, invalidValue, required } from '../field-error.ts';
import type { PersistentVolumeClaimSpec } from '../types/core-v1.gen.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { subdomainProblems } from '../validation/names.ts';
import { positiveQuantity } from '../validation/resources.ts';

export const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export function* validateClaimSpec(spec: PersistentVolumeClaimSpec, field: string): FieldErrors {
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) yield required(`${field}.accessModes`, 'at least 1 access mode is required');
  yield* validateLabelSelector(spec.selector, `${field}.selector`);
  for (const mode of modes) yield* oneOf(mode, accessModes, `${field}.accessModes`);
  if (modes.length > 1 && modes.includes('ReadWriteOncePod'))
    yield forbiddenField(`${field}.accessModes`, 'may not use ReadWriteOncePod with other access modes');
  const storage = spec.resources?.requests?.storage;
  if (storage === undefined) yield required(`${field}.resources[storage]`);
  else yield* positiveQuantity(storage, `${field}.resources[storage]`);
  if (spec.storageClassName)
    yield* invalidFor(
      `${field}.storageClassName`,
      spec.storageClassName,
      subdomainProblems(spec.storageClassName),
    );
  yield* oneOf(spec.volumeMode, ['Block', 'Filesystem'], `${field}.volumeMode`, 'undefined');
  for (const name of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[name];
    if (!source) continue;
    if (!source.name) yield required(`${field}.${name}.name`);
    if (!source.kind) yield required(`${field}.${name}.kind`);
    if (!source.apiGroup && source.kind !== 'PersistentVolumeClaim')
      yield invalidValue(
        `${field}.${name}`,
        source.kind,
        "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
      );
  }
  const attributes = spec.volumeAttributesClassName;
  if (attributes)
    yield* invalidFor(`${field}.volumeAttributesClassName`, attributes, subdomainProblems(attributes));
}
