/** StorageVersionMigrations. */
import { column } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { StorageVersionMigration } from '../resources.gen.ts';
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
  },
});

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
