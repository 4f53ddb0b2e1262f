/** Checks of single fields that many kinds share. Each returns its errors; an empty list costs nothing. */

import { semanticEqual } from './equality.ts';
import { type InnerTypeText, innerForm } from './error-value.ts';
import { type FieldError, invalidValue, notSupported, notSupportedInOrder, required } from './field-error.ts';
import { portNameProblems } from './names.ts';

export type Errors = readonly FieldError[];
export const noErrors: Errors = [];

/** One `Invalid value` per problem. */
export function invalidFor(field: string, value: unknown, problems: readonly string[]): Errors {
  return problems.length === 0 ? noErrors : problems.map((problem) => invalidValue(field, value, problem));
}

/** Adapts a list of problems to `KindDefinition.validateName`. */
export function nameRule(problemsOf: (name: string) => readonly string[]) {
  return (name: string, field: string): Errors => invalidFor(field, name, problemsOf(name));
}

export function nonNegative(value: number | null | undefined, field: string): Errors {
  if (value === undefined || value === null || value >= 0) return noErrors;
  return [invalidValue(field, value, 'must be greater than or equal to 0')];
}

export function positive(value: number, field: string): Errors {
  return value > 0 ? noErrors : [invalidValue(field, value, 'must be greater than 0')];
}

export function inRange(value: number, min: number, max: number, field: string): Errors {
  return value >= min && value <= max ? noErrors : [invalidValue(field, value, inRangeText(min, max))];
}

export function inRangeText(min: number, max: number): string {
  return `must be between ${min} and ${max}, inclusive`;
}

const portMax = 65535;

export function portProblems(value: number): readonly string[] {
  return value >= 1 && value <= portMax ? [] : [inRangeText(1, portMax)];
}

export function portNumber(value: number, field: string): Errors {
  return invalidFor(field, value, portProblems(value));
}

export function portNumberOrName(value: number | string | undefined, field: string): Errors {
  if (typeof value === 'string') return invalidFor(field, value, portNameProblems(value));
  return portNumber(value ?? 0, field);
}

/** An enumeration whose empty value is `Required value` (or allowed with `optional`). */
export function oneOf(
  value: string | undefined,
  supported: readonly string[],
  field: string,
  /** `undefined`: a field may be left out, but not be an empty text. */
  whenEmpty: 'required' | 'optional' | 'undefined' | 'unsupported' = 'unsupported',
): Errors {
  if (value === undefined && whenEmpty === 'undefined') return noErrors;
  if (value === undefined || value === '') {
    if (whenEmpty === 'optional') return noErrors;
    if (whenEmpty === 'required') return [required(field)];
  }
  return supported.includes(value as string) ? noErrors : [notSupported(field, value ?? '', supported)];
}

/** As {@link oneOf}, naming what is supported in the order in which upstream's schema states it. */
export function oneOfInOrder(
  value: string | undefined,
  supported: readonly string[],
  field: string,
  whenEmpty: 'required' | 'optional' | 'unsupported' = 'unsupported',
): Errors {
  if (value === undefined || value === '') {
    if (whenEmpty === 'optional') return noErrors;
    if (whenEmpty === 'required') return [required(field)];
  }
  return supported.includes(value as string)
    ? noErrors
    : [notSupportedInOrder(field, value ?? '', supported)];
}

/** `innerType`: of an object, as which it is printed ({@link innerForm}). */
export function immutable(value: unknown, old: unknown, field: string, innerType?: InnerTypeText): Errors {
  if (semanticEqual(value, old)) return noErrors;
  const shown = innerType === undefined ? value : innerForm(innerType, value);
  return [invalidValue(field, shown ?? null, 'field is immutable')];
}

const percentMessage =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/** A count or a percentage, e.g. `maxSurge`. */
export function nonNegativeIntOrPercent(value: number | string | undefined, field: string): Errors {
  if (typeof value === 'string')
    return /^[0-9]+%$/.test(value) ? noErrors : [invalidValue(field, value, percentMessage)];
  return nonNegative(value, field);
}

export function atMost100Percent(value: number | string | undefined, field: string): Errors {
  if (typeof value !== 'string' || !/^[0-9]+%$/.test(value)) return noErrors;
  return Number.parseInt(value, 10) > 100
    ? [invalidValue(field, value, 'must not be greater than 100%')]
    : noErrors;
}

/** The number that an int-or-percent amounts to when it is 0 or `0%`, for rules about zero. */
export function isZeroIntOrPercent(value: number | string | undefined): boolean {
  // Anything else counts as absent.
  if (typeof value === 'string') return !/^[0-9]+%$/.test(value) || Number.parseInt(value, 10) === 0;
  return (value ?? 0) === 0;
}
