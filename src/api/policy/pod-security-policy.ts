/** PodSecurityPolicies: stored and shown for old manifests; nothing enforces them. */
import { column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { PodSecurityPolicy } from '../resources.gen.ts';
import { type FieldErrors, invalidValue } from '../validation/field-error.ts';
import { oneOf } from '../validation/fields.ts';

export const podSecurityPolicyKind = defineKind(PodSecurityPolicy, {
  returnsDeleted: true,
  storagePrefix: 'podsecuritypolicy',
  errorGroup: 'extensions',
  columns: [
    nameColumn,
    column('Priv', ({ spec }) => String(spec?.privileged ?? false)),
    column('Caps', ({ spec }) => (spec?.allowedCapabilities ?? []).join(',')),
    column('SELinux', ({ spec }) => spec?.seLinux?.rule ?? ''),
    column('RunAsUser', ({ spec }) => spec?.runAsUser?.rule ?? ''),
    column('FsGroup', ({ spec }) => spec?.fsGroup?.rule ?? ''),
    column('SupGroup', ({ spec }) => spec?.supplementalGroups?.rule ?? ''),
    column('ReadOnlyRootFs', ({ spec }) => spec?.readOnlyRootFilesystem ?? false),
    column('Volumes', ({ spec }) => (spec?.volumes ?? []).join(',')),
  ],
  defaults({ spec }) {
    if (spec) spec.allowPrivilegeEscalation ??= true;
  },
  *validate({ spec }) {
    const anyGroup = ['MayRunAs', 'MustRunAs', 'RunAsAny'];
    yield* oneOf(spec?.runAsUser?.rule, ['MustRunAs', 'MustRunAsNonRoot', 'RunAsAny'], 'spec.runAsUser.rule');
    yield* oneOf(spec?.seLinux?.rule, ['MustRunAs', 'RunAsAny'], 'spec.seLinux.rule');
    yield* oneOf(spec?.supplementalGroups?.rule, anyGroup, 'spec.supplementalGroups.rule');
    yield* oneOf(spec?.fsGroup?.rule, anyGroup, 'spec.fsGroup.rule');
    yield* validateEscalation(spec);
  },
});

function* validateEscalation(spec: PodSecurityPolicy['spec']): FieldErrors {
  if (spec?.defaultAllowPrivilegeEscalation && spec.allowPrivilegeEscalation === false)
    yield invalidValue(
      'spec.defaultAllowPrivilegeEscalation',
      true,
      'Cannot set DefaultAllowPrivilegeEscalation to true without also setting AllowPrivilegeEscalation to true',
    );
}
