/** LimitRanges. */
import { defineKind } from '../kinds/define-kind.ts';
import { compareQuantities, type Quantity, tryParseQuantity } from '../quantities/quantity.ts';
import { LimitRange } from '../resources.gen.ts';
import type { LimitRangeItem } from '../types/core-v1.gen.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
} from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';
import {
  isOvercommitAllowed,
  isStandardResource,
  mustBeStandard,
  type ResourceList,
  validateContainerResourceName,
} from '../validation/resources.ts';

const lists = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
const standardTypes = ['Pod', 'Container', 'PersistentVolumeClaim'];

export const limitRangeKind = defineKind(LimitRange, {
  createsOnUpdate: true,
  defaults(range) {
    for (const item of range.spec?.limits ?? []) if (item.type === 'Container') defaultItem(item);
  },
  prepareCreate(range) {
    // Of all kinds only this one gets a name when it comes without.
    range.metadata.name ||= range.metadata.uid ?? '';
  },
  *validate(range) {
    const types = new Set<string>();
    for (const [index, item] of (range.spec?.limits ?? []).entries())
      yield* validateItem(item, types, `spec.limits[${index}]`);
  },
});

/** A container's defaults follow from its maximum and minimum. */
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
  for (const list of lists) {
    if (list === 'maxLimitRequestRatio') yield* validateClaimLimits(item, path);
    if (!isLimited(item, list)) {
      if (Object.keys(item[list] ?? {}).length > 0)
        yield forbiddenField(`${path}.${list}`, "may not be specified when `type` is 'Pod'");
    } else for (const name in item[list]) yield* validateName(item.type, name, `${path}.${list}[${name}]`);
  }
  const names = new Set(
    lists.filter((list) => isLimited(item, list)).flatMap((list) => Object.keys(item[list] ?? {})),
  );
  for (const name of names) {
    yield* validateOrder(item, name, path);
    yield* validateRatio(item, name, path);
    yield* validateFixedAmount(item, name, path);
  }
}

/** Pods have no defaults: their containers have. */
function isLimited({ type }: LimitRangeItem, list: (typeof lists)[number]): boolean {
  return type !== 'Pod' || (list !== 'default' && list !== 'defaultRequest');
}

function* validateClaimLimits({ type, min, max }: LimitRangeItem, path: string): FieldErrors {
  if (type === 'PersistentVolumeClaim' && min?.storage === undefined && max?.storage === undefined)
    yield required(
      `${path}.limits`,
      'either minimum or maximum storage value is required, but neither was provided',
    );
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

/** Pairs of lists: an amount in the first must not exceed that in the second; else the path and the value to report. */
const orders = [
  { less: 'min', more: 'max', at: 'min', shown: 'min' },
  { less: 'min', more: 'defaultRequest', at: 'defaultRequest', shown: 'defaultRequest' },
  { less: 'defaultRequest', more: 'max', at: 'defaultRequest', shown: 'defaultRequest' },
  { less: 'defaultRequest', more: 'default', at: 'defaultRequest', shown: 'defaultRequest' },
  { less: 'min', more: 'default', at: 'default', shown: 'min' },
  { less: 'default', more: 'max', at: 'default', shown: 'max' },
] as const;

/** The name of a list in messages; a default is called a limit where it is compared with a request. */
const wordsOf = { min: 'min', max: 'max', default: 'default', defaultRequest: 'default request' } as const;

/** min ≤ defaultRequest ≤ default ≤ max. */
function* validateOrder(item: LimitRangeItem, name: string, path: string): FieldErrors {
  for (const { less, more, at, shown } of orders) {
    if (!isLimited(item, less) || !isLimited(item, more)) continue;
    const [left, right] = [amountOf(item, less, name), amountOf(item, more, name)];
    if (!left || !right || compareQuantities(left, right) <= 0) continue;
    const limit = less === 'defaultRequest' && more === 'default' ? 'default limit' : wordsOf[more];
    yield invalidValue(
      `${path}.${at}[${name}]`,
      item[shown]![name],
      `${wordsOf[less]} value ${item[less]![name]} is greater than ${limit} value ${item[more]![name]}`,
    );
  }
}

function amountOf(item: LimitRangeItem, list: (typeof lists)[number], name: string): Quantity | undefined {
  return tryParseQuantity(item[list]?.[name]);
}

const nanosPerUnit = 1_000_000_000n;

/** A limit may be a multiple of its request, up to what the bounds allow anyway. */
function* validateRatio(item: LimitRangeItem, name: string, path: string): FieldErrors {
  const ratio = amountOf(item, 'maxLimitRequestRatio', name);
  if (!ratio) return;
  const text = item.maxLimitRequestRatio![name];
  const field = `${path}.maxLimitRequestRatio[${name}]`;
  if (ratio.nanos < nanosPerUnit) yield invalidValue(field, text, `ratio ${text} is less than 1`);
  const [min, max] = [amountOf(item, 'min', name), amountOf(item, 'max', name)];
  if (!min || !max) return;
  const most = Number(max.nanos) / Number(min.nanos);
  if (Number(ratio.nanos) / 1e9 > most)
    yield invalidValue(field, text, `ratio ${text} is greater than max/min = ${most.toFixed(6)}`);
}

/** Of what is never promised twice, a request is the limit. */
function* validateFixedAmount(item: LimitRangeItem, name: string, path: string): FieldErrors {
  if (isOvercommitAllowed(name) || !isLimited(item, 'default')) return;
  const [limit, request] = [amountOf(item, 'default', name), amountOf(item, 'defaultRequest', name)];
  if (!limit || !request || compareQuantities(limit, request) === 0) return;
  const texts = { limit: item.default![name], request: item.defaultRequest![name] };
  yield invalidValue(
    `${path}.defaultRequest[${name}]`,
    texts.request,
    `default value ${texts.limit} must equal to defaultRequest value ${texts.request} in ${name}`,
  );
}
