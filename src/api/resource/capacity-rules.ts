/** How much of a device's capacity one claim may ask for: one of some values, or a range with steps. */

import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  type Quantity,
  quantityValue,
  tryParseQuantity,
  zeroQuantity,
} from '../quantities/quantity.ts';
import type { CapacityRequestPolicy, CapacityRequestPolicyRange } from '../types/resource-v1.gen.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
  tooMany,
} from '../validation/field-error.ts';

const valuesMax = 10;

export function* validateRequestPolicy(
  policy: CapacityRequestPolicy,
  capacity: string,
  field: string,
): FieldErrors {
  const { validValues = [], validRange } = policy;
  if (validValues.length > 0 && validRange)
    yield forbiddenField(
      field,
      'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time',
    );
  else if (validValues.length > 0) {
    if (policy.default === undefined)
      yield required(`${field}.default`, 'required when validValues is defined');
    else yield* validateValues(validValues, policy.default, capacity, `${field}.validValues`);
  } else if (validRange) {
    if (policy.default === undefined)
      yield required(`${field}.default`, 'required when validRange is defined');
    else yield* validateRange(validRange, policy.default, capacity, `${field}.validRange`);
  }
}

/** What is no quantity was refused before, when it was read. */
function amountOf(text: string): Quantity {
  return tryParseQuantity(text) ?? zeroQuantity;
}

function wholeOf(text: string): number {
  return quantityValue(amountOf(text));
}

function compare(left: string, right: string): number {
  return compareQuantities(amountOf(left), amountOf(right));
}

function* validateValues(
  values: readonly string[],
  preset: string,
  capacity: string,
  field: string,
): FieldErrors {
  for (const [index, value] of values.entries())
    if (index > 0 && compare(values[index - 1]!, value) > 0)
      yield invalidValue(`${field}[${index}]`, value, 'values must be sorted in ascending order');
  if (values.length > valuesMax) yield tooMany(field, values.length, valuesMax);
  else yield* validateEachValue(values, capacity, field);
  if (values.length > valuesMax || !values.some((value) => compare(value, preset) === 0))
    yield invalidValue(field, preset, 'default value is not valid according to the requestPolicy');
}

function* validateEachValue(values: readonly string[], capacity: string, field: string): FieldErrors {
  for (const [index, value] of values.entries())
    if (compare(value, capacity) > 0)
      yield invalidValue(`${field}[${index}]`, value, `option is larger than capacity value: ${capacity}`);
  const seen = new Set<number>();
  for (const [index, value] of values.entries()) {
    const whole = wholeOf(value);
    if (seen.has(whole)) yield duplicate(`${field}[${index}]`, String(whole));
    seen.add(whole);
  }
}

function* validateRange(
  { min, max, step }: CapacityRequestPolicyRange,
  preset: string,
  capacity: string,
  field: string,
): FieldErrors {
  if (min === undefined) {
    yield required(`${field}.min`, 'required when validRange is defined');
    return;
  }
  if (compare(min, capacity) > 0)
    yield invalidValue(`${field}.min`, min, `min is larger than capacity value: ${capacity}`);
  if (compare(preset, min) < 0)
    yield invalidValue(`${field}.min`, preset, `default is less than min: ${min}`);
  if (max !== undefined) {
    if (compare(min, max) > 0) yield invalidValue(`${field}.max`, min, `min is larger than max: ${max}`);
    if (compare(max, capacity) > 0)
      yield invalidValue(`${field}.max`, max, `max is larger than capacity value: ${capacity}`);
    if (compare(preset, max) > 0)
      yield invalidValue(`${field}.max`, preset, `default is more than max: ${max}`);
  }
  if (step === undefined) return;
  const first = formatQuantity(addQuantities(amountOf(min), amountOf(step)));
  if (compare(first, capacity) > 0)
    yield invalidValue(`${field}.step`, step, `one step ${first} is larger than capacity value: ${capacity}`);
  for (const value of [preset, ...(max === undefined ? [] : [max])])
    if ((wholeOf(value) - wholeOf(min)) % wholeOf(step) !== 0)
      yield invalidValue(
        `${field}.step`,
        value,
        `value is not a multiple of a given step (${step}) from (${min})`,
      );
}
