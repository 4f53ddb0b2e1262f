/** RoleBindings and ClusterRoleBindings. */
import { ageColumn, column, nameColumn, wideColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { Column } from '../kinds/kind.ts';
import { type KubeObject, parseApiVersion } from '../meta.ts';
import { ClusterRoleBinding, RoleBinding } from '../resources.gen.ts';
import type { RoleRef, Subject } from '../types/rbac-v1.gen.ts';
import type { Subject as OldSubject } from '../types/rbac-v1alpha1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  type FieldErrors,
  invalidValue,
  notSupported,
  notSupportedInOrder,
  required,
} from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { pathSegmentProblems, subdomainProblems } from '../validation/names.ts';
import { authenticatedGroup } from '../well-known.ts';
import { rbacNameRule } from './role.ts';

const rbacGroup = 'rbac.authorization.k8s.io';
const alphaVersion = `${rbacGroup}/v1alpha1`;

interface Bound extends KubeObject {
  roleRef: RoleRef;
  subjects?: Subject[];
}

export const roleBindingKind = defineKind(RoleBinding, {
  createsOnUpdate: true,
  validateName: rbacNameRule,
  columns: bindingColumns<RoleBinding>(),
  defaults: defaultBinding,
  validate: (binding) => validateBinding(binding, { namespaced: true, roleKinds: ['Role', 'ClusterRole'] }),
  validateUpdate: validateBindingUpdate,
  versions: oldVersions('RoleBinding'),
});

export const clusterRoleBindingKind = defineKind(ClusterRoleBinding, {
  createsOnUpdate: true,
  validateName: rbacNameRule,
  columns: bindingColumns<ClusterRoleBinding>(),
  defaults: defaultBinding,
  validate: (binding) => validateBinding(binding, { namespaced: false, roleKinds: ['ClusterRole'] }),
  validateUpdate: validateBindingUpdate,
  versions: oldVersions('ClusterRoleBinding'),
});

function oldVersions(kind: string) {
  const deprecation = { since: '1.17', removedIn: '1.22', replacement: `${rbacGroup}/v1 ${kind}` };
  return [
    { version: 'v1beta1', deprecation },
    {
      version: 'v1alpha1',
      defaults: defaultAlphaSubjects,
      toStored: subjectsFromAlpha,
      fromStored: subjectsToAlpha,
      deprecation,
    },
  ];
}

function defaultBinding(binding: Bound): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= rbacGroup;
  for (const subject of binding.subjects ?? [])
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= rbacGroup;
}

function* validateBinding(
  binding: Bound,
  { namespaced, roleKinds }: { namespaced: boolean; roleKinds: readonly string[] },
): FieldErrors {
  const { apiGroup, kind, name } = binding.roleRef ?? {};
  if (apiGroup !== rbacGroup) yield notSupported('roleRef.apiGroup', apiGroup ?? '', [rbacGroup]);
  if (!roleKinds.includes(kind ?? '')) yield notSupportedInOrder('roleRef.kind', kind ?? '', roleKinds);
  if (!name) yield required('roleRef.name');
  else yield* invalidFor('roleRef.name', name, pathSegmentProblems(name));
  for (const [index, subject] of (binding.subjects ?? []).entries())
    yield* validateSubject(subject, `subjects[${index}]`, { namespaced });
}

function* validateSubject(
  subject: Subject,
  field: string,
  { namespaced }: { namespaced: boolean },
): FieldErrors {
  if (!subject.name) yield required(`${field}.name`);
  switch (subject.kind) {
    case 'ServiceAccount':
      if (subject.name) yield* invalidFor(`${field}.name`, subject.name, subdomainProblems(subject.name));
      if (subject.apiGroup) yield notSupported(`${field}.apiGroup`, subject.apiGroup, ['']);
      if (!namespaced && !subject.namespace) yield required(`${field}.namespace`);
      return;
    case 'User':
    case 'Group':
      if (subject.apiGroup !== rbacGroup)
        yield notSupported(`${field}.apiGroup`, subject.apiGroup ?? '', [rbacGroup]);
      return;
    default:
      yield notSupportedInOrder(`${field}.kind`, subject.kind ?? '', ['ServiceAccount', 'User', 'Group']);
  }
}

function* validateBindingUpdate(binding: Bound, old: Bound): FieldErrors {
  if (!semanticEqual(binding.roleRef, old.roleRef))
    yield invalidValue('roleRef', innerForm('rbac.RoleRef', binding.roleRef ?? {}), 'cannot change roleRef');
}

function bindingColumns<T extends Bound>(): readonly Column<T>[] {
  const subjects = (kind: string, text: (subject: Subject) => string) => (binding: T) =>
    (binding.subjects ?? [])
      .filter((subject) => subject.kind === kind)
      .map(text)
      .join(', ');
  return [
    nameColumn,
    column('Role', ({ roleRef }) => `${roleRef?.kind}/${roleRef?.name}`),
    ageColumn,
    wideColumn(
      'Users',
      subjects('User', ({ name }) => name),
    ),
    wideColumn(
      'Groups',
      subjects('Group', ({ name }) => name),
    ),
    wideColumn(
      'ServiceAccounts',
      subjects('ServiceAccount', ({ namespace, name }) => `${namespace ?? ''}/${name}`),
    ),
  ];
}

/** Version v1alpha1 gives subjects an apiVersion, and lets `*` stand for all users. */
type AlphaBinding = { subjects?: OldSubject[] };

function defaultAlphaSubjects(object: KubeObject): void {
  for (const subject of (object as AlphaBinding).subjects ?? [])
    subject.apiVersion ||= subject.kind === 'ServiceAccount' ? 'v1' : alphaVersion;
}

function subjectsFromAlpha(object: KubeObject): KubeObject {
  const bound = object as AlphaBinding & { subjects?: (OldSubject & Subject)[] };
  for (const subject of bound.subjects ?? []) {
    if (subject.apiVersion !== undefined) {
      const { group } = parseApiVersion(subject.apiVersion);
      if (group) subject.apiGroup = group;
      delete subject.apiVersion;
    }
    if (subject.kind === 'User' && subject.name === '*') {
      subject.kind = 'Group';
      subject.name = authenticatedGroup;
    }
  }
  return object;
}

function subjectsToAlpha(object: KubeObject): KubeObject {
  const bound = object as AlphaBinding & { subjects?: (OldSubject & Subject)[] };
  for (const subject of bound.subjects ?? []) {
    subject.apiVersion = subject.kind === 'ServiceAccount' ? 'v1' : alphaVersion;
    delete subject.apiGroup;
  }
  return object;
}
