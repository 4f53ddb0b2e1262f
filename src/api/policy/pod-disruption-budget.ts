/** PodDisruptionBudgets. */
import { ageColumn, column, countColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { KubeObject, LabelSelector } from '../meta.ts';
import { PodDisruptionBudget } from '../resources.gen.ts';
import { isEmptySelector } from '../selectors/label-selector.ts';
import type { PodDisruptionBudgetSpec } from '../types/policy-v1.gen.ts';
import { validateConditions } from '../validation/conditions.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, invalidValue } from '../validation/field-error.ts';
import {
  atMost100Percent,
  nameRule,
  nonNegative,
  nonNegativeIntOrPercent,
  oneOf,
} from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { pathSegmentProblems } from '../validation/names.ts';

/** In v1 an empty selector means all pods, in v1beta1 none: each is written in the other with this key. */
const emptySelectorKey = 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match';

export const podDisruptionBudgetKind = defineKind(PodDisruptionBudget, {
  requiresVersionOnUpdate: true,
  status: 'separate',
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
    column('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
    countColumn('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed ?? 0),
    ageColumn,
  ],
  prepareCreate(budget) {
    budget.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  validateName: nameRule(pathSegmentProblems),
  *validate(budget, { subresource }) {
    if (subresource === 'status') {
      yield* validateConditions(budget.status?.conditions, 'status.conditions');
      for (const name of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const)
        yield* nonNegative(budget.status?.[name], `status.${name}`);
    } else yield* validateSpec(budget.spec ?? {});
  },
  versions: [
    {
      version: 'v1beta1',
      toStored: (object) => swapEmptySelector(object, 'DoesNotExist', 'Exists'),
      fromStored: (object) => swapEmptySelector(object, 'Exists', 'DoesNotExist'),
      deprecation: { since: '1.21', removedIn: '1.25', replacement: 'policy/v1 PodDisruptionBudget' },
    },
  ],
});

/** The selector with the key and `marked` is the other version's empty one; an empty one is its opposite there. */
function swapEmptySelector(object: KubeObject, marked: string, opposite: string): KubeObject {
  const spec = (object as PodDisruptionBudget).spec;
  if (!spec?.selector) return object;
  if (isEmptySelector(spec.selector))
    spec.selector = { matchExpressions: [{ key: emptySelectorKey, operator: opposite }] };
  else if (isMarked(spec.selector, marked)) spec.selector = {};
  return object;
}

function isMarked(selector: LabelSelector, operator: string): boolean {
  const [only, ...others] = selector.matchExpressions ?? [];
  return (
    only?.key === emptySelectorKey &&
    only.operator === operator &&
    others.length === 0 &&
    Object.keys(selector.matchLabels ?? {}).length === 0
  );
}

function* validateSpec(spec: PodDisruptionBudgetSpec): FieldErrors {
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined)
    yield invalidValue(
      'spec',
      innerForm('policy.PodDisruptionBudgetSpec', spec),
      'minAvailable and maxUnavailable cannot be both set',
    );
  for (const name of ['minAvailable', 'maxUnavailable'] as const) {
    yield* nonNegativeIntOrPercent(spec[name], `spec.${name}`);
    yield* atMost100Percent(spec[name], `spec.${name}`);
  }
  yield* validateLabelSelector(spec.selector, 'spec.selector');
  yield* oneOf(
    spec.unhealthyPodEvictionPolicy,
    ['AlwaysAllow', 'IfHealthyBudget'],
    'spec.unhealthyPodEvictionPolicy',
    'undefined',
  );
}
