/** An error in one field, in Kubernetes' words. Validators yield these, and do not stop at the first. */
import { goQuote } from '../../base/text/go-quote.ts';
import { goJson } from './error-value.ts';

export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueNotFound'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

export interface FieldError {
  readonly type: FieldErrorType;
  /** Path as upstream writes it: `spec.containers[0].image`, `metadata.labels`. */
  readonly field: string;
  /** `Invalid value: "x": must be …`: what a Status' cause says. */
  readonly detail: string;
  /** `field: detail`: what the Status' message says. */
  readonly text: string;
}

export type FieldErrors = Generator<FieldError, void, undefined>;

function fieldError(type: FieldErrorType, field: string, detail: string): FieldError {
  return { type, field, detail, text: `${field}: ${detail}` };
}

/** A value within a message; objects that upstream prints in its inner form are to be given in it ({@link innerForm}). */
function quote(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  if (typeof value === 'object') return goJson(value);
  return typeof value === 'string' ? goQuote(value) : String(value);
}

export function required(field: string, why = ''): FieldError {
  return fieldError('FieldValueRequired', field, why ? `Required value: ${why}` : 'Required value');
}

export function invalidValue(field: string, value: unknown, why: string): FieldError {
  return fieldError(
    'FieldValueInvalid',
    field,
    why ? `Invalid value: ${quote(value)}: ${why}` : `Invalid value: ${quote(value)}`,
  );
}

/** A text that may be left out: upstream shows such as JSON, not as Go quotes it. */
export function invalidOptionalText(field: string, text: string, why: string): FieldError {
  return fieldError('FieldValueInvalid', field, `Invalid value: ${goJson(text)}: ${why}`);
}

/** A value that is too large to show, or of no use to the reader. */
export function invalidWithoutValue(field: string, why: string): FieldError {
  return fieldError('FieldValueInvalid', field, `Invalid value: ${why}`);
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = [...supported].sort().map(goQuote).join(', ');
  const tail = supported.length > 0 ? `: supported values: ${list}` : '';
  return fieldError('FieldValueNotSupported', field, `Unsupported value: ${quote(value)}${tail}`);
}

/** As {@link notSupported}, naming the supported values in the order in which a schema states them. */
export function notSupportedInOrder(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map(goQuote).join(', ');
  return fieldError(
    'FieldValueNotSupported',
    field,
    `Unsupported value: ${quote(value)}: supported values: ${list}`,
  );
}

export function duplicate(field: string, value: unknown, why = ''): FieldError {
  return fieldError('FieldValueDuplicate', field, `Duplicate value: ${quote(value)}${why && `: ${why}`}`);
}

export function forbiddenField(field: string, why: string): FieldError {
  return fieldError('FieldValueForbidden', field, why ? `Forbidden: ${why}` : 'Forbidden');
}

export function internalError(field: string, why: string): FieldError {
  return fieldError('InternalError', field, `Internal error: ${why}`);
}

export function notFoundField(field: string, value: unknown, why = ''): FieldError {
  return fieldError('FieldValueNotFound', field, `Not found: ${quote(value)}${why && `: ${why}`}`);
}

export function tooLong(field: string, maxBytes: number): FieldError {
  return fieldError('FieldValueTooLong', field, `Too long: may not be more than ${maxBytes} bytes`);
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return fieldError(
    'FieldValueTooMany',
    field,
    `Too many: ${actual}: must have at most ${max} item${max === 1 ? '' : 's'}`,
  );
}
