/** ResourceQuotas. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { compareQuantities, formatQuantity, tryParseQuantity } from '../quantities/quantity.ts';
import { ResourceQuota } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import {
  isQuotaResource,
  isStandardQuotaResource,
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
/** What a scope can restrict: resources of pods, or of claims. Other resources are counted regardless of scopes. */
const podCounts = ['pods'];
const podResources = [
  ...podCounts,
  'cpu',
  'memory',
  'requests.cpu',
  'requests.memory',
  'limits.cpu',
  'limits.memory',
];
const resourcesOfScope: Readonly<Record<string, readonly string[]>> = {
  BestEffort: podCounts,
  VolumeAttributesClass: ['persistentvolumeclaims', 'requests.storage'],
};
const scopesByExistence = new Set([
  'BestEffort',
  'NotBestEffort',
  'Terminating',
  'NotTerminating',
  'CrossNamespacePodAffinity',
]);

export const resourceQuotaKind = defineKind(ResourceQuota, {
  *warnings({ spec }, old) {
    if (!old) yield* unevenWarnings(spec?.hard ?? {});
  },
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
  const hard = Object.keys(spec.hard ?? {})
    .filter(isStandardQuotaResource)
    .sort();
  const plain = spec.scopes ?? [];
  const path = `${field}.scopes`;
  for (const scope of plain) {
    yield* knownScope(scope, plain, path);
    yield* appliesTo(scope, hard, plain, path);
  }
  yield* compatible(new Set(plain), plain, path);
  if (spec.scopeSelector) yield* validateSelector(spec.scopeSelector, hard, plain, `${field}.scopeSelector`);
}

type ScopeSelector = NonNullable<NonNullable<ResourceQuota['spec']>['scopeSelector']>;

/** Upstream names the list of requirements, never one of them. */
function* validateSelector(
  selector: ScopeSelector,
  hard: string[],
  plain: readonly string[],
  field: string,
): FieldErrors {
  const selected = new Set<string>();
  const path = `${field}.matchExpressions`;
  for (const { scopeName, operator, values = [] } of selector.matchExpressions ?? []) {
    yield* knownScope(scopeName, scopeName ?? '', `${path}.scopeName`);
    yield* appliesTo(scopeName, hard, innerForm('core.ScopeSelector', selector), path);
    if (scopesByExistence.has(scopeName) && operator !== 'Exists')
      yield invalidValue(
        `${path}.operator`,
        operator ?? '',
        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
      );
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        yield required(
          `${path}.values`,
          "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        );
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        yield invalidValue(
          `${path}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        );
    } else yield invalidValue(`${path}.operator`, operator ?? '', 'not a valid selector operator');
    selected.add(scopeName);
  }
  yield* compatible(selected, plain.length > 0 ? plain : null, path);
}

function* knownScope(scope: string, value: unknown, path: string): FieldErrors {
  if (!scopes.includes(scope)) yield invalidValue(path, value, 'unsupported scope');
}

/** Once for every resource that the scope cannot narrow. */
function* appliesTo(scope: string, hard: string[], value: unknown, path: string): FieldErrors {
  if (!scopes.includes(scope)) return;
  const narrowed = resourcesOfScope[scope] ?? podResources;
  for (const name of hard)
    if (!narrowed.includes(name)) yield invalidValue(path, value, 'unsupported scope applied to resource');
}

function* compatible(given: Set<string>, value: unknown, path: string): FieldErrors {
  for (const [one, other] of [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ] as const)
    if (given.has(one) && given.has(other)) yield invalidValue(path, value, 'conflicting scopes');
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

/** What may be requested but not limited to cannot be used. */
function* unevenWarnings(hard: ResourceList): Iterable<string> {
  for (const name of ['cpu', 'memory', 'storage', 'ephemeral-storage']) {
    const isBare = hard[`requests.${name}`] === undefined && (name === 'cpu' || name === 'memory');
    const [requestName, limitName] = [isBare ? name : `requests.${name}`, `limits.${name}`];
    const request = tryParseQuantity(hard[requestName]);
    const limit = tryParseQuantity(hard[limitName]);
    if (request && limit && compareQuantities(request, limit) > 0)
      yield `ResourceQuota ${requestName} (${formatQuantity(request)}) should be less than ${limitName} (${formatQuantity(limit)})`;
  }
}
