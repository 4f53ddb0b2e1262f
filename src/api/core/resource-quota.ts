/** ResourceQuotas. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { type FieldErrors, invalidValue, required } from '../field-error.ts';
import { ResourceQuota } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { immutable } from '../validation/fields.ts';
import {
  isQuotaResource,
  type ResourceList,
  validateResourceAmount,
  validateResourceName,
} from '../validation/resources.ts';

const scopes = [
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
  'VolumeAttributesClass',
];
const podResources = new Set([
  'pods',
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'limits.cpu',
  'limits.memory',
  'requests.ephemeral-storage',
  'limits.ephemeral-storage',
]);

export const resourceQuotaKind = defineKind(ResourceQuota, {
  returnsDeleted: true,
  status: 'separate',
  columns: [
    nameColumn,
    column('Request', (quota) => usage(quota, (name) => !name.startsWith('limits.'))),
    column('Limit', (quota) => usage(quota, (name) => name.startsWith('limits.'))),
    ageColumn,
  ],
  prepareCreate(quota) {
    quota.status = {};
  },
  *validate(quota) {
    yield* validateAmounts(quota.spec?.hard, 'spec.hard');
    yield* validateScopes(quota.spec ?? {}, 'spec');
    yield* validateAmounts(quota.status?.hard, 'status.hard');
    yield* validateAmounts(quota.status?.used, 'status.used');
  },
  *validateUpdate(quota, old, { subresource }) {
    if (subresource === 'status') return;
    if (!semanticEqual([...(quota.spec?.scopes ?? [])].sort(), [...(old.spec?.scopes ?? [])].sort()))
      yield invalidValue('spec.scopes', quota.spec?.scopes ?? null, 'field is immutable');
    yield* immutable(quota.spec?.scopeSelector, old.spec?.scopeSelector, 'spec.scopeSelector');
  },
});

function* validateAmounts(list: ResourceList | undefined, field: string): FieldErrors {
  for (const name in list) {
    const path = `${field}[${name}]`;
    yield* validateResourceName(name, path);
    if (!name.includes('/') && !isQuotaResource(name))
      yield invalidValue(path, name, 'must be a standard resource for quota');
    yield* validateResourceAmount(name, list[name]!, path);
  }
}

function* validateScopes(spec: NonNullable<ResourceQuota['spec']>, field: string): FieldErrors {
  const hard = Object.keys(spec.hard ?? {});
  const plain = spec.scopes ?? [];
  const path = `${field}.scopes`;
  if (plain.length > 0) {
    const given = new Set<string>(plain);
    for (const scope of given) {
      yield* knownScope(scope, plain, path);
      yield* appliesTo(scope, hard, plain, path);
    }
    yield* compatible(given, plain, path);
  }
  if (!spec.scopeSelector) return;
  const selected = new Set<string>();
  for (const requirement of spec.scopeSelector.matchExpressions ?? []) {
    const requirementPath = `${field}.scopeSelector.matchExpressions`;
    const { scopeName, operator, values = [] } = requirement;
    yield* knownScope(scopeName, scopeName, `${requirementPath}.scopeName`);
    yield* appliesTo(scopeName, hard, plain, `${requirementPath}.scopeName`);
    const byExistence =
      scopes.includes(scopeName) && scopeName !== 'PriorityClass' && scopeName !== 'VolumeAttributesClass';
    if (byExistence && operator !== 'Exists')
      yield invalidValue(
        `${requirementPath}.operator`,
        operator,
        "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
      );
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        yield required(
          `${requirementPath}.values`,
          "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        );
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        yield invalidValue(
          `${requirementPath}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        );
    } else yield invalidValue(`${requirementPath}.operator`, operator ?? '', 'not a valid selector operator');
    selected.add(scopeName);
  }
  yield* compatible(selected, spec.scopeSelector, `${field}.scopeSelector.matchExpressions`);
}

function* knownScope(scope: string, value: unknown, path: string): FieldErrors {
  if (!scopes.includes(scope)) yield invalidValue(path, value, 'unsupported scope');
}

function* appliesTo(scope: string, hard: string[], value: unknown, path: string): FieldErrors {
  const allowed = scope === 'BestEffort' ? (name: string) => name === 'pods' : isPodResource;
  if (scopes.includes(scope) && scope !== 'VolumeAttributesClass' && !hard.every(allowed))
    yield invalidValue(path, value, 'unsupported scope applied to resource');
}

function isPodResource(name: string): boolean {
  return (
    podResources.has(name) ||
    name.includes('hugepages-') ||
    name === 'count/pods' ||
    name.startsWith('requests.')
  );
}

function* compatible(given: Set<string>, value: unknown, path: string): FieldErrors {
  const both = (one: string, other: string) => given.has(one) && given.has(other);
  if (both('BestEffort', 'NotBestEffort') || both('Terminating', 'NotTerminating'))
    yield invalidValue(path, value, 'conflicting scopes');
}

/** `used/hard` of each resource in question. */
function usage(quota: ResourceQuota, concerns: (name: string) => boolean): string {
  const { hard = {}, used = {} } = quota.status ?? {};
  return Object.keys(hard)
    .filter(concerns)
    .sort()
    .map((name) => `${name}: ${used[name] ?? '0'}/${hard[name]}`)
    .join(', ');
}
