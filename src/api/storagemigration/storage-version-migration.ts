/** StorageVersionMigrations. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { StorageVersionMigration } from '../resources.gen.ts';
import { required } from '../validation/field-error.ts';
import { immutable } from '../validation/fields.ts';

export const storageVersionMigrationKind = defineKind(StorageVersionMigration, {
  status: 'separate',
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Resource', ({ spec }) =>
      [spec?.resource?.resource, spec?.resource?.group].filter(Boolean).join('.'),
    ),
    ageColumn,
  ],
  prepareCreate(migration) {
    migration.status = {};
  },
  *validate({ spec }) {
    if (!spec?.resource?.resource) yield required('spec.resource.resource', 'resource is required');
  },
  *validateUpdate(migration, old) {
    yield* immutable(migration.spec?.resource, old.spec?.resource, 'spec.resource');
  },
});
