/** Service accounts. */
import { ageColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ServiceAccount } from '../resources.gen.ts';

export const serviceAccountKind = defineKind(ServiceAccount, {
  returnsDeleted: true,
  columns: [nameColumn, ageColumn],
  prepareCreate: keepNamesOfSecrets,
  prepareUpdate: keepNamesOfSecrets,
});

/** Other fields of a reference to a Secret in the account's own namespace have no meaning. */
function keepNamesOfSecrets(account: ServiceAccount): void {
  if (account.secrets) account.secrets = account.secrets.map(({ name }) => ({ ...(name && { name }) }));
}
