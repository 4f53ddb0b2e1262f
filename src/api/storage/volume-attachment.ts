/** VolumeAttachments. */
import { ageColumn, column, flagColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { VolumeAttachment } from '../resources.gen.ts';
import type { VolumeAttachmentSource } from '../types/storage-v1.gen.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../validation/field-error.ts';
import { immutable, inRangeText, invalidFor } from '../validation/fields.ts';
import { subdomainProblems } from '../validation/names.ts';
import { validateDriverName } from './csi-driver.ts';

export const volumeAttachmentKind = defineKind(VolumeAttachment, {
  returnsDeleted: true,
  requiresVersionOnUpdate: true,
  status: 'separate',
  columns: [
    nameColumn,
    { ...column<VolumeAttachment>('Attacher', ({ spec }) => spec?.attacher ?? ''), format: 'name' },
    column('PV', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    column('Node', ({ spec }) => spec?.nodeName ?? ''),
    flagColumn('Attached', ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
  prepareCreate(attachment) {
    attachment.status = { attached: false };
  },
  *validate({ spec, status }, { apiVersion, subresource, isUpdate }) {
    for (const name of ['attachError', 'detachError'] as const) {
      const code = status?.[name]?.errorCode;
      if (code !== undefined && code < 0)
        yield invalidValue(`status.${name}.errorCode`, code, inRangeText(0, 2 ** 31 - 1));
    }
    if (subresource === 'status') return;
    const { attacher = '', nodeName = '' } = spec ?? {};
    if (!attacher) yield required('spec.attacher');
    yield* validateSource(spec?.source ?? {}, 'spec.source');
    yield* invalidFor('spec.nodeName', nodeName, subdomainProblems(nodeName));
    // What v1beta1 lets pass, and an update, which cannot change it.
    if (isUpdate || apiVersion === 'storage.k8s.io/v1beta1') return;
    yield* validateDriverName(attacher, 'spec.attacher');
    const volume = spec?.source?.persistentVolumeName;
    if (volume !== undefined)
      yield* invalidFor('spec.source.persistentVolumeName', volume, subdomainProblems(volume));
  },
  *validateUpdate(attachment, old) {
    yield* immutable(attachment.spec, old.spec, 'spec', 'storage.VolumeAttachmentSpec');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'storage.k8s.io/v1 VolumeAttachment' },
    },
    'v1alpha1',
  ],
});

const exactlyOne = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';

function* validateSource(source: VolumeAttachmentSource, field: string): FieldErrors {
  const { inlineVolumeSpec, persistentVolumeName } = source;
  if (!inlineVolumeSpec && persistentVolumeName === undefined) yield required(field, exactlyOne);
  else if (inlineVolumeSpec && persistentVolumeName !== undefined) yield forbiddenField(field, exactlyOne);
  else if (persistentVolumeName === '')
    yield required(`${field}.persistentVolumeName`, 'must specify non empty persistentVolumeName');
}
