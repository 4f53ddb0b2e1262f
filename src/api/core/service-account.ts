/** Service accounts. */
import { ageColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { ServiceAccount } from '../resources.gen.ts';

export const serviceAccountKind = defineKind(ServiceAccount, {
  returnsDeleted: true,
  columns: [nameColumn, ageColumn],
});
