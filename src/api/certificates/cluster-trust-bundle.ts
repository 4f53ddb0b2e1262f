/** ClusterTrustBundles. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ClusterTrustBundle } from '../resources.gen.ts';
import { invalidValue } from '../validation/field-error.ts';
import { immutable } from '../validation/fields.ts';

export const clusterTrustBundleKind = defineKind(ClusterTrustBundle, {
  columns: [nameColumn, column('SignerName', ({ spec }) => spec?.signerName ?? ''), ageColumn],
  *validate(bundle) {
    const signer = bundle.spec?.signerName ?? '';
    const prefix = `${signer.replaceAll('/', ':')}:`;
    const name = bundle.metadata.name ?? '';
    if (signer && !name.startsWith(prefix))
      yield invalidValue(
        'metadata.name',
        name,
        `ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`,
      );
    if (!signer && name.includes(':'))
      yield invalidValue(
        'metadata.name',
        name,
        'ClusterTrustBundle without signer name must not have ":" in its name',
      );
    if (!/-----BEGIN CERTIFICATE-----/.test(bundle.spec?.trustBundle ?? ''))
      yield invalidValue('spec.trustBundle', '<value omitted>', 'at least one trust anchor must be provided');
  },
  *validateUpdate(bundle, old) {
    yield* immutable(bundle.spec?.signerName, old.spec?.signerName, 'spec.signerName');
  },
  validateName: (name, field) =>
    /^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/.test(name)
      ? []
      : [invalidValue(field, name, 'must be a name with optional signer prefix')],
  selectableFields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
});
