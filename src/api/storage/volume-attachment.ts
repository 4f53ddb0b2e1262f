/** VolumeAttachments. */
import { ageColumn, column, flagColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { required } from '../field-error.ts';
import { VolumeAttachment } from '../resources.gen.ts';
import { immutable } from '../validation/fields.ts';

export const volumeAttachmentKind = defineKind(VolumeAttachment, {
  requiresVersionOnUpdate: true,
  status: 'separate',
  columns: [
    nameColumn,
    column('Attacher', ({ spec }) => spec?.attacher ?? ''),
    column('PV', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    column('Node', ({ spec }) => spec?.nodeName ?? ''),
    flagColumn('Attached', ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
  prepareCreate(attachment) {
    attachment.status = { attached: false };
  },
  prepareUpdate(attachment, old) {
    if (old.status) attachment.status = old.status;
  },
  prepareStatusUpdate(attachment, old) {
    attachment.spec = old.spec;
  },
  *validate({ spec }) {
    if (!spec?.attacher) yield required('spec.attacher');
    const { inlineVolumeSpec, persistentVolumeName } = spec?.source ?? {};
    if (Boolean(inlineVolumeSpec) === Boolean(persistentVolumeName))
      yield required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
    if (!spec?.nodeName) yield required('spec.nodeName');
  },
  *validateUpdate(attachment, old) {
    yield* immutable(attachment.spec, old.spec, 'spec');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'storage.k8s.io/v1 VolumeAttachment' },
    },
    'v1alpha1',
  ],
});
