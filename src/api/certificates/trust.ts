/** ClusterTrustBundles and PodCertificateRequests. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { invalidValue, required } from '../field-error.ts';
import { ClusterTrustBundle, PodCertificateRequest } from '../resources.gen.ts';
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

export const podCertificateRequestKind = defineKind(PodCertificateRequest, {
  status: 'separate',
  columns: [
    nameColumn,
    column('PodName', ({ spec }) => spec?.podName ?? ''),
    column('ServiceAccountName', ({ spec }) => spec?.serviceAccountName ?? ''),
    column('NodeName', ({ spec }) => spec?.nodeName ?? ''),
    column('SignerName', ({ spec }) => spec?.signerName ?? ''),
    column('State', ({ status }) => (status?.conditions ?? [])[0]?.type ?? 'Pending'),
    ageColumn,
  ],
  prepareCreate(request) {
    request.status = {};
  },
  prepareUpdate(request, old) {
    if (old.status) request.status = old.status;
  },
  prepareStatusUpdate(request, old) {
    request.spec = old.spec;
  },
  *validate({ spec }) {
    for (const name of [
      'signerName',
      'podName',
      'podUID',
      'serviceAccountName',
      'serviceAccountUID',
      'nodeName',
      'nodeUID',
    ] as const)
      if (!spec?.[name]) yield required(`spec.${name}`);
  },
  *validateUpdate(request, old) {
    yield* immutable(request.spec, old.spec, 'spec');
  },
  selectableFields: ({ spec }) => ({
    'spec.signerName': spec?.signerName ?? '',
    'spec.podName': spec?.podName ?? '',
    'spec.nodeName': spec?.nodeName ?? '',
  }),
});
