/** PodCertificateRequests. */
import { column, formatLabels, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { PodCertificateRequest } from '../resources.gen.ts';
import { immutable } from '../validation/fields.ts';
import { validatePodCertificateSpec } from './pod-certificate-rules.ts';

export const podCertificateRequestKind = defineKind(PodCertificateRequest, {
  status: 'separate',
  columns: [
    nameColumn,
    column('PodName', ({ spec }) => spec?.podName ?? ''),
    column('ServiceAccountName', ({ spec }) => spec?.serviceAccountName ?? ''),
    column('NodeName', ({ spec }) => spec?.nodeName ?? ''),
    column('SignerName', ({ spec }) => spec?.signerName ?? ''),
    column('State', stateCell),
    column('UnverifiedUserAnnotations', ({ spec }) => formatLabels(spec?.unverifiedUserAnnotations)),
  ],
  prepareCreate(request) {
    request.status = {};
  },
  *validate({ spec }, { isUpdate }) {
    if (!isUpdate) yield* validatePodCertificateSpec(spec ?? {}, 'spec');
  },
  *validateUpdate(request, old, { subresource }) {
    if (subresource === '') yield* immutable(request.spec, old.spec, 'spec');
  },
  selectableFields: ({ spec }) => ({
    'spec.signerName': spec?.signerName ?? '',
    'spec.podName': spec?.podName ?? '',
    'spec.nodeName': spec?.nodeName ?? '',
  }),
});

const states = new Set(['Issued', 'Denied', 'Failed']);

/** A request is in one of its states at most. */
function stateCell({ status }: PodCertificateRequest): string {
  return status?.conditions?.findLast(({ type }) => states.has(type))?.type ?? 'Pending';
}
