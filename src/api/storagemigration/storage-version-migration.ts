/** StorageVersionMigrations. */
import { column } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { StorageVersionMigration } from '../resources.gen.ts';
import { validateConditions } from '../validation/conditions.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { immutable } from '../validation/fields.ts';
import { dns1035LabelProblems, subdomainProblems } from '../validation/names.ts';

export const storageVersionMigrationKind = defineKind(StorageVersionMigration, {
  status: 'separate',
  columns: [
    column('Name', ({ metadata }) => metadata.name),
    column('Resource', ({ spec }) =>
      [spec?.resource?.resource, spec?.resource?.group].filter(Boolean).join('.'),
    ),
    column('Status', stateCell),
  ],
  prepareCreate(migration) {
    migration.status = {};
  },
  *validate({ spec }) {
    const { resource = '', group = '' } = spec?.resource ?? {};
    if (!resource) yield required('spec.resource.resource', 'resource is required to be set');
    else yield* joined('spec.resource.resource', resource, dns1035LabelProblems(resource));
    if (group) yield* joined('spec.resource.group', group, subdomainProblems(group));
  },
  *validateUpdate(migration, old, { subresource }) {
    if (subresource === '') yield* immutable(migration.spec, old.spec, 'spec');
    else yield* validateStatus(migration.status ?? {}, old.status ?? {}, 'status');
  },
});

type Status = NonNullable<StorageVersionMigration['status']>;

const wellFormedVersion = /^(0|[1-9]\d*)$/;

/** A migration goes forward: what it started from, and how it ended, stays. */
function* validateStatus(status: Status, old: Status, field: string): FieldErrors {
  const { resourceVersion: version = '', conditions } = status;
  const isTrue = ({ conditions: list }: Status, type: string) =>
    list?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
  const refuse = (why: string) =>
    invalidValue(`${field}.conditions`, innerForm('[]meta.Condition', conditions), why);
  if (version !== '' && !wellFormedVersion.test(version))
    yield invalidValue(
      `${field}.resourceVersion`,
      version,
      `resource version is not well formed: ${version}`,
    );
  yield* validateConditions(conditions, `${field}.conditions`);
  if (old.resourceVersion) yield* immutable(version, old.resourceVersion, `${field}.resourceVersion`);
  if (isTrue(status, 'Succeeded') && isTrue(status, 'Failed'))
    yield refuse('Both success and failed conditions cannot be true at the same time');
  for (const [type, name] of [
    ['Succeeded', 'Success'],
    ['Failed', 'Failed'],
  ] as const)
    if (isTrue(old, type) && !isTrue(status, type))
      yield refuse(`${name} condition cannot be set to false once it is true`);
}

const states = new Set(['Running', 'Failed', 'Succeeded']);

function stateCell({ status }: StorageVersionMigration): string {
  const reached = status?.conditions?.filter(
    ({ type, status: holds }) => holds === 'True' && states.has(type),
  );
  return reached?.at(-1)?.type ?? 'Unknown';
}

/** Upstream reports all that is wrong with a value at once. */
function* joined(field: string, value: string, problems: readonly string[]): FieldErrors {
  if (problems.length > 0) yield invalidValue(field, value, problems.join(','));
}
