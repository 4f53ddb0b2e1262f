/** StorageClasses. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { type FieldErrors, forbiddenField, invalidValue, required, tooLong } from '../field-error.ts';
import { StorageClass } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';

const parametersMax = 512;
const parametersSizeMaxBytes = 256 * 1024;
const defaultAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];
const reclaimPolicies = ['Delete', 'Retain'];

function isDefaultStorageClass(storageClass: StorageClass): boolean {
  return defaultAnnotations.some((name) => storageClass.metadata.annotations?.[name] === 'true');
}

export const storageClassKind = defineKind(StorageClass, {
  columns: [
    {
      ...nameColumn,
      cell: (storageClass) =>
        `${storageClass.metadata.name}${isDefaultStorageClass(storageClass as StorageClass) ? ' (default)' : ''}`,
    },
    column('Provisioner', ({ provisioner }) => provisioner),
    column('ReclaimPolicy', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
    column('VolumeBindingMode', ({ volumeBindingMode }) => volumeBindingMode ?? '<unset>'),
    column('AllowVolumeExpansion', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
    ageColumn,
  ],
  defaults(storageClass) {
    storageClass.reclaimPolicy ??= 'Delete';
    storageClass.volumeBindingMode ??= 'Immediate';
  },
  *validate(storageClass) {
    yield* validateProvisioner(storageClass.provisioner, 'provisioner');
    yield* validateParameters(storageClass.parameters, 'parameters');
    yield* oneOf(storageClass.reclaimPolicy, reclaimPolicies, 'reclaimPolicy', 'optional');
    yield* oneOf(
      storageClass.volumeBindingMode,
      ['Immediate', 'WaitForFirstConsumer'],
      'volumeBindingMode',
      'required',
    );
    for (const [index, term] of (storageClass.allowedTopologies ?? []).entries())
      for (const [position, { key, values }] of (term.matchLabelExpressions ?? []).entries()) {
        const path = `allowedTopologies[${index}].matchLabelExpressions[${position}]`;
        if (!values?.length) yield required(`${path}.values`);
        yield* invalidFor(`${path}.key`, key, qualifiedNameProblems(key));
      }
  },
  *validateUpdate(storageClass, old) {
    for (const name of ['parameters', 'provisioner', 'reclaimPolicy'] as const)
      if (!semanticEqual(storageClass[name], old[name]))
        yield forbiddenField(name, `updates to ${name} are forbidden.`);
    yield* immutable(storageClass.volumeBindingMode, old.volumeBindingMode, 'volumeBindingMode');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'storage.k8s.io/v1 StorageClass' },
    },
  ],
});

/** The name of whoever makes the volumes. */
export function* validateProvisioner(provisioner: string | undefined, field: string): FieldErrors {
  if (!provisioner) yield required(field);
  else yield* invalidFor(field, provisioner, qualifiedNameProblems(provisioner.toLowerCase()));
}

/** What a class hands to its provisioner or driver. */
export function* validateParameters(
  parameters: Record<string, string> | undefined,
  field: string,
): FieldErrors {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > parametersMax) yield tooLong(field, parametersMax);
  let sizeBytes = 0;
  for (const [key, value] of entries) {
    if (key === '') yield invalidValue(field, '', 'field can not be empty.');
    sizeBytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (sizeBytes > parametersSizeMaxBytes) yield tooLong(field, parametersSizeMaxBytes);
}
