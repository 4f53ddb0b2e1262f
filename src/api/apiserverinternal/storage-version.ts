/** StorageVersions: which server writes a resource in which version. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { StorageVersion } from '../resources.gen.ts';
import { nameRule } from '../validation/fields.ts';
import { dns1035LabelProblems, subdomainProblems } from '../validation/names.ts';

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
  validateName: nameRule(storageVersionNameProblems),
  prepareCreate(version) {
    version.status = {};
  },
});

function storageVersionNameProblems(name: string): string[] {
  const dot = name.lastIndexOf('.');
  if (dot < 0) return ['name must be in the form of <group>.<resource>'];
  return [
    ...subdomainProblems(name.slice(0, dot)).map((problem) => `the group segment ${problem}`),
    ...dns1035LabelProblems(name.slice(dot + 1)).map((problem) => `the resource segment ${problem}`),
  ];
}
