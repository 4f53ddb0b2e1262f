/** Validation of a custom resource against its schema, in the words of upstream's OpenAPI validator. */
import { RE2JS } from 're2js';
import {
  type FieldError,
  type FieldErrors,
  invalidValue,
  notSupportedInOrder,
  required,
  tooLong,
  tooMany,
} from '../field-error.ts';
import { equalJson } from '../schema/json-value.ts';
import { matchesFormat } from './formats.ts';
import {
  childPath,
  isIntOrString,
  isJsonObject,
  itemSchema,
  type JsonObject,
  propertySchema,
  type StructuralSchema,
} from './schema.ts';

/**
 * Everything that is wrong with a custom resource's content but its metadata. `old`: the object before an update; what
 * did not change is not held against the client (ratcheting), so that a stricter schema does not lock objects in.
 */
export function* validateStructure(schema: StructuralSchema, object: unknown, old?: unknown): FieldErrors {
  yield* validateValue(schema, object, old, '');
}

function* validateValue(schema: StructuralSchema, value: unknown, old: unknown, path: string): FieldErrors {
  if (old !== undefined && equalJson(value, old)) return;
  if (value === null && schema.nullable) return;
  const typeError = typeErrorOf(schema, value, path);
  if (typeError) return yield typeError;
  if (isIntOrString(schema) && !isInteger(value) && typeof value !== 'string') {
    return yield wrongType(path, 'integer,string', value);
  }
  yield* validateEnum(schema, value, path);
  if (typeof value === 'string') yield* validateString(schema, value, path);
  else if (typeof value === 'number' || typeof value === 'bigint') yield* validateNumber(schema, value, path);
  else if (Array.isArray(value)) yield* validateArray(schema, value, old, path);
  else if (isJsonObject(value)) yield* validateObject(schema, value, old, path);
  yield* validateJunctors(schema, value, path);
}

function typeErrorOf(schema: StructuralSchema, value: unknown, path: string): FieldError | undefined {
  const { type } = schema;
  if (!type) return undefined;
  const actual = typeOf(value);
  if (actual === type || (type === 'number' && actual === 'integer')) return undefined;
  return wrongType(path, type, value);
}

function wrongType(path: string, type: string, value: unknown): FieldError {
  const actual = typeOf(value);
  const error = invalidValue(
    path,
    actual,
    `${path} in body must be of type ${type}: ${JSON.stringify(actual)}`,
  );
  return { ...error, type: 'FieldValueTypeInvalid' };
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (isInteger(value)) return 'integer';
  return typeof value;
}

/**
 * Numbers beyond 2⁵³ that are not bigints had a fraction or an exponent, or exceed 64 bits: upstream treats them as
 * floats.
 */
function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

function* validateEnum({ enum: allowed }: StructuralSchema, value: unknown, path: string): FieldErrors {
  if (!allowed || allowed.some((candidate) => equalJson(candidate, value))) return;
  const texts = allowed.map((candidate) =>
    typeof candidate === 'string' ? candidate : JSON.stringify(candidate),
  );
  yield notSupportedInOrder(path, value, texts);
}

function* validateString(schema: StructuralSchema, value: string, path: string): FieldErrors {
  const invalid = (why: string) => invalidValue(path, value, `${path} in body ${why}`);
  const characters = [...value].length;
  const { maxLength, minLength, pattern, format } = schema;
  // Of length and pattern only the first failure is reported.
  if (maxLength !== undefined && characters > maxLength) yield tooLong(path, maxLength);
  else if (minLength !== undefined && characters < minLength)
    yield invalid(`should be at least ${minLength} chars long`);
  else if (pattern && !patternOf(pattern).matcher(value).find()) yield invalid(`should match '${pattern}'`);
  if (format && !matchesFormat(format, value))
    yield {
      ...invalid(`must be of type ${format}: ${JSON.stringify(value)}`),
      type: 'FieldValueTypeInvalid',
    };
}

/** Go's regular expressions, which take linear time whatever the input. */
const patterns = new Map<string, RE2JS>();
const patternsMax = 10_000;

function patternOf(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known) return known;
  if (patterns.size >= patternsMax) patterns.clear();
  const compiled = RE2JS.compile(pattern);
  patterns.set(pattern, compiled);
  return compiled;
}

/** Integer formats and their ranges. */
const integerRanges: Readonly<Record<string, [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  // As floats; the largest number below 2⁶³ is the nearest to the true limit, which bigints keep to by themselves.
  int64: [-(2 ** 63), 2 ** 63 - 1024],
};

function* validateNumber(schema: StructuralSchema, value: number | bigint, path: string): FieldErrors {
  const invalid = (why: string) => invalidValue(path, value, `${path} in body ${why}`);
  const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf, format } = schema;
  if (multipleOf !== undefined && !isMultiple(value, multipleOf))
    yield invalid(`should be a multiple of ${multipleOf}`);
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    yield invalid(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
  }
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    yield invalid(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }
  const range = format && integerRanges[format];
  if (range && typeof value === 'number' && (value < range[0] || value > range[1]))
    yield invalid(`must be of type ${format}: "${value}"`);
}

function isMultiple(value: number | bigint, step: number): boolean {
  if (typeof value === 'bigint' && Number.isSafeInteger(step)) return value % BigInt(step) === 0n;
  const quotient = Number(value) / step;
  return Number.isInteger(quotient) || Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.abs(quotient);
}

function* validateArray(schema: StructuralSchema, value: unknown[], old: unknown, path: string): FieldErrors {
  const { maxItems, minItems } = schema;
  const count = value.length;
  if (maxItems !== undefined && count > maxItems) {
    yield tooMany(path, count, maxItems);
  }
  if (minItems !== undefined && count < minItems) {
    yield invalidValue(path, count, `${path} in body should have at least ${minItems} items`);
  }
  const items = itemSchema(schema);
  if (!items) return;
  const before = oldItems(schema, old);
  for (const [index, item] of value.entries()) {
    yield* validateValue(items, item, before(item, index), childPath(path, index));
  }
}

/** Finds what an item was before: by its keys in a list map; not at all in other lists, whose items have no identity. */
export function oldItems(schema: StructuralSchema, old: unknown): (item: unknown, index: number) => unknown {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (!Array.isArray(old)) return () => undefined;
  if (schema['x-kubernetes-list-type'] !== 'map' || !keys) return () => undefined;
  const identity = (item: unknown) => JSON.stringify(keys.map((key) => (item as JsonObject)?.[key] ?? null));
  const byIdentity = new Map(old.map((item) => [identity(item), item]));
  return (item) => byIdentity.get(identity(item));
}

function* validateObject(
  schema: StructuralSchema,
  value: JsonObject,
  old: unknown,
  path: string,
): FieldErrors {
  const count = Object.keys(value).length;
  const { maxProperties, minProperties } = schema;
  if (maxProperties !== undefined && count > maxProperties) {
    yield tooMany(path, count, maxProperties);
  }
  if (minProperties !== undefined && count < minProperties) {
    yield invalidValue(path, count, `${path} in body should have at least ${minProperties} properties`);
  }
  for (const key of schema.required ?? [])
    if (!Object.hasOwn(value, key)) yield required(childPath(path, key));
  const before = isJsonObject(old) ? old : {};
  for (const [key, child] of Object.entries(value)) {
    // metadata of the resource itself is validated for all kinds alike.
    if (path === '' && key === 'metadata') continue;
    const property = propertySchema(schema, key);
    if (property) yield* validateValue(property, child, before[key], childPath(path, key));
  }
}

function* validateJunctors(schema: StructuralSchema, value: unknown, path: string): FieldErrors {
  const errorsUnder = (option: StructuralSchema) => [...validateValue(option, value, undefined, path)];
  const { anyOf, oneOf, allOf, not } = schema;
  if (anyOf?.length) yield* validateAnyOf(anyOf.map(errorsUnder), path);
  if (oneOf?.length) yield* validateOneOf(oneOf.map(errorsUnder), path);
  if (allOf?.length) {
    const failures = allOf.map(errorsUnder).filter((errors) => errors.length > 0);
    if (failures.length > 0) yield compositeError(path, `must validate all the schemas (allOf)`);
    for (const errors of failures) yield* errors;
  }
  if (not && errorsUnder(not).length === 0) yield compositeError(path, 'must not validate the schema (not)');
}

function* validateAnyOf(results: FieldError[][], path: string): FieldErrors {
  if (results.some((errors) => errors.length === 0)) return;
  yield compositeError(path, 'must validate at least one schema (anyOf)');
  yield* fewest(results);
}

function* validateOneOf(results: FieldError[][], path: string): FieldErrors {
  const valid = results.filter((errors) => errors.length === 0).length;
  if (valid === 1) return;
  const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
  yield compositeError(path, `must validate one and only one schema (oneOf). ${found}`);
  if (valid === 0) yield* fewest(results);
}

/** The errors of the alternative that comes nearest. */
function fewest(results: readonly FieldError[][]): FieldError[] {
  return results.reduce((best, errors) => (errors.length < best.length ? errors : best));
}

function compositeError(path: string, why: string): FieldError {
  return invalidValue('<nil>', '', `${JSON.stringify(path)} ${why}`);
}
