/** StorageVersions: which server writes a resource in which version. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { StorageVersion } from '../resources.gen.ts';

export const storageVersionKind = defineKind(StorageVersion, {
  requiresVersionOnUpdate: true,
  status: 'separate',
  columns: [
    nameColumn,
    column('CommonEncodingVersion', ({ status }) => status?.commonEncodingVersion ?? '<unset>'),
    column('StorageVersions', ({ status }) => {
      const texts = (status?.storageVersions ?? []).map(
        (each) => `${each.apiServerID}=${each.encodingVersion}`,
      );
      return texts.length > 0 ? texts.sort().join(',') : '<unset>';
    }),
    ageColumn,
  ],
  prepareCreate(version) {
    version.status = {};
  },
});
