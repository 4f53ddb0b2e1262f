/** Service accounts. */
import { ageColumn, countColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { ServiceAccount } from '../resources.gen.ts';

export const serviceAccountKind = defineKind(ServiceAccount, {
  returnsDeleted: true,
  columns: [
    nameColumn,
    { ...countColumn('Secrets', (account) => account.secrets?.length ?? 0), type: 'string' },
    ageColumn,
  ],
});
