/** LimitRanges. */
import { defineKind } from '../define-kind.ts';
import { duplicate, type FieldErrors, forbiddenField, invalidValue, required } from '../field-error.ts';
import { compareQuantities, parseQuantity, tryParseQuantity } from '../quantity.ts';
import { LimitRange } from '../resources.gen.ts';
import type { LimitRangeItem } from '../types/core-v1.gen.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';
import {
  isStandardResource,
  mustBeStandard,
  type ResourceList,
  validateContainerResourceName,
  validateResourceAmount,
} from '../validation/resources.ts';

const lists = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
const standardTypes = ['Pod', 'Container', 'PersistentVolumeClaim'];

export const limitRangeKind = defineKind(LimitRange, {
  createsOnUpdate: true,
  defaults(range) {
    for (const item of range.spec?.limits ?? []) if (item.type === 'Container') defaultItem(item);
  },
  *validate(range) {
    const types = new Set<string>();
    for (const [index, item] of (range.spec?.limits ?? []).entries())
      yield* validateItem(item, types, `spec.limits[${index}]`);
  },
});

/** What a container gets follows from what it may have at most, or must have at least. */
function defaultItem(item: LimitRangeItem): void {
  const fill = (target: 'default' | 'defaultRequest', source: ResourceList | undefined) => {
    if (source && Object.keys(source).some((name) => item[target]?.[name] === undefined))
      item[target] = { ...source, ...item[target] };
  };
  fill('default', item.max);
  fill('defaultRequest', item.default);
  fill('defaultRequest', item.min);
}

function* validateItem(item: LimitRangeItem, types: Set<string>, path: string): FieldErrors {
  yield* validateType(item.type, `${path}.type`);
  if (types.has(item.type)) yield duplicate(`${path}.type`, item.type);
  types.add(item.type);
  const names = new Set<string>();
  for (const list of lists)
    for (const name in item[list]) {
      names.add(name);
      yield* validateName(item.type, name, `${path}.${list}[${name}]`);
      yield* validateResourceAmount(name, item[list]![name]!, `${path}.${list}[${name}]`);
    }
  if (item.type === 'Pod')
    for (const list of ['default', 'defaultRequest'] as const)
      if (Object.keys(item[list] ?? {}).length > 0)
        yield forbiddenField(`${path}.${list}`, "may not be specified when `type` is 'Pod'");
  if (item.type === 'PersistentVolumeClaim' && !item.min?.storage && !item.max?.storage)
    yield required(
      `${path}.limits`,
      'either minimum or maximum storage value is required, but neither was provided',
    );
  for (const name of names) yield* validateOrder(item, name, path);
}

function* validateType(type: string, field: string): FieldErrors {
  const problems = qualifiedNameProblems(type);
  yield* invalidFor(field, type, problems);
  if (problems.length === 0 && !type.includes('/') && !standardTypes.includes(type))
    yield invalidValue(field, type, 'must be a standard limit type or fully qualified');
}

function* validateName(type: string, name: string, field: string): FieldErrors {
  if (type === 'Pod' || type === 'Container') yield* validateContainerResourceName(name, field);
  else {
    const problems = qualifiedNameProblems(name);
    yield* invalidFor(field, name, problems);
    if (problems.length === 0 && !name.includes('/') && !isStandardResource(name))
      yield invalidValue(field, name, mustBeStandard);
  }
}

/** min ≤ defaultRequest ≤ default ≤ max, and a ratio of at least one. */
function* validateOrder(item: LimitRangeItem, name: string, path: string): FieldErrors {
  const text = (list: (typeof lists)[number]) => item[list]?.[name];
  const more = (left: string | undefined, right: string | undefined) => {
    const [a, b] = [tryParseQuantity(left), tryParseQuantity(right)];
    return a !== undefined && b !== undefined && compareQuantities(a, b) > 0;
  };
  const { max, min, request, limit } = {
    max: text('max'),
    min: text('min'),
    request: text('defaultRequest'),
    limit: text('default'),
  };
  if (more(min, max))
    yield invalidValue(`${path}.min[${name}]`, min, `min value ${min} is greater than max value ${max}`);
  if (more(min, request))
    yield invalidValue(
      `${path}.defaultRequest[${name}]`,
      request,
      `min value ${min} is greater than default request value ${request}`,
    );
  if (more(request, max))
    yield invalidValue(
      `${path}.defaultRequest[${name}]`,
      request,
      `default request value ${request} is greater than max value ${max}`,
    );
  if (more(request, limit))
    yield invalidValue(
      `${path}.defaultRequest[${name}]`,
      request,
      `default request value ${request} is greater than default limit value ${limit}`,
    );
  if (more(min, limit))
    yield invalidValue(
      `${path}.default[${name}]`,
      min,
      `min value ${min} is greater than default value ${limit}`,
    );
  if (more(limit, max))
    yield invalidValue(
      `${path}.default[${name}]`,
      max,
      `default value ${limit} is greater than max value ${max}`,
    );
  const ratio = text('maxLimitRequestRatio');
  if (ratio !== undefined && parseQuantity(ratio).nanos < 1_000_000_000n)
    yield invalidValue(`${path}.maxLimitRequestRatio[${name}]`, ratio, `ratio ${ratio} is less than 1`);
  yield* validateRatio(ratio, min, max, `${path}.maxLimitRequestRatio[${name}]`);
}

/** No limit can be further from its request than the largest amount is from the smallest. */
function* validateRatio(
  ratio: string | undefined,
  min: string | undefined,
  max: string | undefined,
  field: string,
): FieldErrors {
  const [wanted, least, most] = [ratio, min, max].map(tryParseQuantity);
  if (!wanted || !least || !most || least.nanos === 0n) return;
  const possible = Number(most.nanos) / Number(least.nanos);
  if (Number(wanted.nanos) / 1e9 > possible)
    yield invalidValue(field, ratio, `ratio ${ratio} is greater than max/min = ${possible.toFixed(6)}`);
}
