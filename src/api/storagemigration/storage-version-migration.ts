/** StorageVersionMigrations. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { required } from '../field-error.ts';
import { StorageVersionMigration } from '../resources.gen.ts';
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
