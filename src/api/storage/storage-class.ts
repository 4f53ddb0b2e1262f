/** StorageClasses. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { StorageClass } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
  tooLong,
} from '../validation/field-error.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';
import { oldNodeLabel } from '../validation/node-labels.ts';
import { isDefaultClass } from './volume-binding.ts';

const parametersMax = 512;
const parametersSizeMaxBytes = 256 * 1024;
const reclaimPolicies = ['Delete', 'Retain'];

export const storageClassKind = defineKind(StorageClass, {
  returnsDeleted: true,
  columns: [
    {
      ...nameColumn,
      cell: (storageClass) =>
        `${storageClass.metadata.name}${isDefaultClass(storageClass as StorageClass) ? ' (default)' : ''}`,
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
    yield* oneOf(storageClass.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'], 'volumeBindingMode');
    yield* validateTopologies(storageClass.allowedTopologies ?? []);
  },
  *warnings({ allowedTopologies }) {
    for (const [index, { matchLabelExpressions }] of (allowedTopologies ?? []).entries())
      for (const [at, { key }] of (matchLabelExpressions ?? []).entries()) {
        const why = oldNodeLabel(key);
        if (why) yield `allowedTopologies[${index}].matchLabelExpressions[${at}].key: ${why}`;
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

type Topologies = NonNullable<StorageClass['allowedTopologies']>;

/** No two terms are equal, no key is duplicated within one, and no value within a key. */
function* validateTopologies(terms: Topologies): FieldErrors {
  /** How often a term was there, by what it says. */
  const seen = new Map<string, number>();
  for (const [index, term] of terms.entries()) {
    const path = `allowedTopologies[${index}].matchLabelExpressions`;
    const values: Record<string, string[]> = {};
    for (const [at, requirement] of (term.matchLabelExpressions ?? []).entries()) {
      const { key } = requirement;
      yield* validateTopology(requirement, `${path}[${at}]`);
      if (Object.hasOwn(values, key)) yield duplicate(`${path}[${at}].key`, key);
      values[key] = [...new Set(requirement.values)].sort();
    }
    // Upstream holds each term also against as many empty ones as there are terms.
    const empties = Object.keys(values).length === 0 ? terms.length : 0;
    const text = JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
    const same = seen.get(text) ?? 0;
    for (let count = 0; count < empties + same; count++) yield duplicate(path, '');
    seen.set(text, same + 1);
  }
}

type Topology = NonNullable<Topologies[number]['matchLabelExpressions']>[number];

function* validateTopology({ key, values }: Topology, field: string): FieldErrors {
  if (!values?.length) yield required(`${field}.values`);
  const seen = new Set<string>();
  for (const [index, value] of (values ?? []).entries()) {
    if (seen.has(value)) yield duplicate(`${field}.values[${index}]`, value);
    seen.add(value);
  }
  yield* invalidFor(`${field}.key`, key, qualifiedNameProblems(key));
}

/** The name of the provisioner. */
export function* validateProvisioner(provisioner: string | undefined, field: string): FieldErrors {
  if (!provisioner) yield required(field);
  else {
    const name = provisioner.toLowerCase();
    yield* invalidFor(field, name, qualifiedNameProblems(name));
  }
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
