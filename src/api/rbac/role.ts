/** Roles and ClusterRoles. */
import { defineKind } from '../kinds/define-kind.ts';
import type { LabelSelector } from '../meta.ts';
import { ClusterRole, Role } from '../resources.gen.ts';
import type { PolicyRule } from '../types/rbac-v1.gen.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { nameRule } from '../validation/fields.ts';
import { isCompilable, validateLabelSelector } from '../validation/label-selector.ts';
import { pathSegmentProblems } from '../validation/names.ts';

/** Names of RBAC kinds may hold capitals and colons. */
export const rbacNameRule = nameRule(pathSegmentProblems);

function oldVersions(kind: string) {
  return ['v1beta1', 'v1alpha1'].map((version) => ({
    version,
    deprecation: { since: '1.17', removedIn: '1.22', replacement: `rbac.authorization.k8s.io/v1 ${kind}` },
  }));
}

export const roleKind = defineKind(Role, {
  createsOnUpdate: true,
  validateName: rbacNameRule,
  *validate(role) {
    for (const [index, rule] of (role.rules ?? []).entries())
      yield* validateRule(rule, `rules[${index}]`, { namespaced: true });
  },
  versions: oldVersions('Role'),
});

export const clusterRoleKind = defineKind(ClusterRole, {
  createsOnUpdate: true,
  validateName: rbacNameRule,
  *validate(role) {
    for (const [index, rule] of (role.rules ?? []).entries())
      yield* validateRule(rule, `rules[${index}]`, { namespaced: false });
    const aggregation = role.aggregationRule;
    if (!aggregation) return;
    const selectors = aggregation.clusterRoleSelectors ?? [];
    if (selectors.length === 0)
      yield required(
        'aggregationRule.clusterRoleSelectors',
        'at least one clusterRoleSelector required if aggregationRule is non-nil',
      );
    for (const [index, selector] of selectors.entries())
      yield* validateSelector(selector, `aggregationRule.clusterRoleSelectors[${index}]`);
  },
  versions: oldVersions('ClusterRole'),
});

function* validateRule(
  rule: PolicyRule,
  field: string,
  { namespaced }: { namespaced: boolean },
): FieldErrors {
  const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const verbs = rule.verbs ?? [];
  if (verbs.length === 0) yield required(`${field}.verbs`, 'verbs must contain at least one value');
  if (nonResourceURLs.length > 0) {
    if (namespaced)
      yield invalidValue(
        `${field}.nonResourceURLs`,
        nonResourceURLs,
        'namespaced rules cannot apply to non-resource URLs',
      );
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0)
      yield invalidValue(
        `${field}.nonResourceURLs`,
        nonResourceURLs,
        'rules cannot apply to both regular resources and non-resource URLs',
      );
    return;
  }
  if (apiGroups.length === 0)
    yield required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  if (resources.length === 0)
    yield required(`${field}.resources`, 'resource rules must supply at least one resource');
}

function* validateSelector(selector: LabelSelector, field: string): FieldErrors {
  yield* validateLabelSelector(selector, field);
  if (!isCompilable(selector)) yield invalidValue(field, null, 'invalid label selector.');
}
