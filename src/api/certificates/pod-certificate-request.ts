/** PodCertificateRequests. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { PodCertificateRequest } from '../resources.gen.ts';
import { required } from '../validation/field-error.ts';
import { immutable } from '../validation/fields.ts';

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
