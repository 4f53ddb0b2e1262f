/** Validation of a custom resource against its schema, in the words of upstream's OpenAPI validator. */

import { RE2JS } from 're2js';
import { inOneGo } from '../../base/async/turns.ts';
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { equalJson } from '../schema/json-value.ts';
import {
  type FieldError,
  invalidValue,
  notSupportedInOrder,
  required,
  tooLong,
  tooMany,
} from '../validation/field-error.ts';
import { isKnownFormat, matchesFormat } from './formats.ts';
import { childPath, isIntOrString, itemSchema, propertySchema, type StructuralSchema } from './schema.ts';
import { isUnchanged, oldItems } from './unchanged.ts';

/**
 * Everything that is wrong with a custom resource's content but its metadata. `old`: the object before an update; what
 * did not change is not held against the client (ratcheting), so that a stricter schema does not lock objects in.
 */
export function validateStructure(schema: StructuralSchema, object: unknown, old?: unknown): FieldError[] {
  return inOneGo(validateStructureInSteps(schema, object, old));
}

/** The same, for objects that may be large: whoever asks for the steps may let others run between them. */
export function* validateStructureInSteps(
  schema: StructuralSchema,
  object: unknown,
  old?: unknown,
): Generator<void, FieldError[]> {
  const parts: (() => void)[] = [];
  const check = new StructureCheck([], parts);
  check.value(schema, object, old);
  for (const part of parts) {
    yield;
    part();
  }
  return check.errors;
}

/** More items than this are checked in parts of so many. */
const partItems = 1_000;

/** Those of a part of a list stand where the list has its place. */
type Found = (FieldError | Found)[];

/** A walk through a value, which may have many parts: where it is becomes text only for what is wrong there. */
class StructureCheck {
  readonly #found: Found = [];
  /** The way from the resource to the value at hand. */
  readonly #steps: (string | number)[];
  /** Collects what is to be checked later: parts of long lists. Absent where all is checked at once. */
  readonly #later: (() => void)[] | undefined;
  /** How many checks were made of the value, those of types that it passed counted twice: upstream's measure of nearness. */
  #checks = 0;

  constructor(steps: readonly (string | number)[], later?: (() => void)[]) {
    this.#steps = [...steps];
    this.#later = later;
  }

  /** All of them once nothing remains to be checked later. */
  get errors(): FieldError[] {
    return flatten(this.#found);
  }

  get #path(): string {
    return this.#steps.reduce<string>(childPath, '');
  }

  value(schema: StructuralSchema, value: unknown, old: unknown): void {
    if (old !== undefined && isUnchanged(schema, value, old)) return;
    if (value === null && schema.nullable) return;
    this.#type(schema, value);
    this.#checks += checksOf(schema, value);
    // One after the other in upstream's order, also for a value of the wrong type: all that is wrong is told at once.
    if (value !== null) this.#junctors(schema, value);
    if (typeof value === 'string') this.#string(schema, value);
    else if (typeof value === 'number' || typeof value === 'bigint') this.#number(schema, value);
    else if (Array.isArray(value)) this.#array(schema, value, old);
    if (schema.enum && !isOneOf(schema.enum, value))
      this.#found.push(notSupportedInOrder(this.#path, value, schema.enum.map(enumText)));
    if (isJsonObject(value)) this.#object(schema, value, old);
  }

  #type(schema: StructuralSchema, value: unknown): void {
    const { type, format } = schema;
    if (isIntOrString(schema)) {
      if (isInteger(value) || typeof value === 'string') this.#checks++;
      else this.#found.push(wrongType(this.#path, 'integer,string', typeOf(value)));
    } else if (type && !hasType(value, type)) {
      // Where values of the type have formats, upstream compares that of this value with the schema's.
      const isByFormat =
        knowsFormat(type, format) && value !== null && typeof value !== 'string' && !Array.isArray(value);
      this.#found.push(
        isByFormat
          ? wrongType(this.#path, format!, formatOf(value))
          : wrongType(this.#path, type, typeOf(value)),
      );
    } else if (type || format || value === null) this.#checks++;
  }

  #below(step: string | number, schema: StructuralSchema, value: unknown, old: unknown): void {
    this.#steps.push(step);
    this.value(schema, value, old);
    this.#steps.pop();
  }

  #invalid(value: unknown, why: string): FieldError {
    const path = this.#path;
    return invalidValue(path, value, `${path} in body ${why}`);
  }

  #string(schema: StructuralSchema, value: string): void {
    const errors = this.#found;
    const { maxLength, minLength, pattern, format } = schema;
    // Of length and pattern only the first failure is reported.
    if (maxLength !== undefined && isLonger(value, maxLength)) errors.push(tooLong(this.#path, maxLength));
    else if (minLength !== undefined && !isLonger(value, minLength - 1))
      errors.push(this.#invalid(value, `should be at least ${minLength} chars long`));
    else if (pattern && !patternOf(pattern).test(value))
      errors.push(this.#invalid(value, `should match '${pattern}'`));
    if (format && !matchesFormat(format, value))
      errors.push({
        ...this.#invalid(value, `must be of type ${format}: ${JSON.stringify(value)}`),
        type: 'FieldValueTypeInvalid',
      });
  }

  #number(schema: StructuralSchema, value: number | bigint): void {
    const errors = this.#found;
    const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf } = schema;
    const misfit = rangeProblem(schema, value);
    if (misfit)
      errors.push(invalidValue('<nil>', '', `Checked value must be of type ${misfit} in ${this.#path}`));
    if (multipleOf !== undefined && !isMultiple(value, multipleOf))
      errors.push(this.#invalid(value, `should be a multiple of ${multipleOf}`));
    if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
      const limit = `${exclusiveMaximum ? '' : 'or equal to '}${maximum}`;
      errors.push(this.#invalid(value, `should be less than ${limit}`));
    }
    if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
      const limit = `${exclusiveMinimum ? '' : 'or equal to '}${minimum}`;
      errors.push(this.#invalid(value, `should be greater than ${limit}`));
    }
  }

  #array(schema: StructuralSchema, value: readonly unknown[], old: unknown): void {
    const { maxItems, minItems } = schema;
    const count = value.length;
    this.#items(schema, value, old);
    if (minItems !== undefined && count < minItems)
      this.#found.push(this.#invalid(count, `should have at least ${minItems} items`));
    if (maxItems !== undefined && count > maxItems) this.#found.push(tooMany(this.#path, count, maxItems));
  }

  #items(schema: StructuralSchema, value: readonly unknown[], old: unknown): void {
    const items = itemSchema(schema);
    if (!items) return;
    const count = value.length;
    const before = oldItems(schema, old);
    if (this.#later && count > partItems) {
      for (let from = 0; from < count; from += partItems) this.#itemsLater(from, items, value, before);
      return;
    }
    for (let index = 0; index < count; index++)
      this.#below(index, items, value[index], before(value[index], index));
  }

  #itemsLater(
    from: number,
    items: StructuralSchema,
    value: readonly unknown[],
    before: ReturnType<typeof oldItems>,
  ): void {
    const check = new StructureCheck(this.#steps, this.#later);
    this.#found.push(check.#found);
    this.#later!.push(() => {
      const end = Math.min(value.length, from + partItems);
      for (let index = from; index < end; index++)
        check.#below(index, items, value[index], before(value[index], index));
    });
  }

  #object(schema: StructuralSchema, value: JsonObject, old: unknown): void {
    const keys = Object.keys(value);
    const count = keys.length;
    const { maxProperties, minProperties } = schema;
    if (minProperties !== undefined && count < minProperties)
      this.#found.push(this.#invalid(count, `should have at least ${minProperties} properties`));
    if (maxProperties !== undefined && count > maxProperties)
      this.#found.push(tooMany(this.#path, count, maxProperties));
    for (const key of schema.required ?? [])
      if (!Object.hasOwn(value, key)) this.#found.push(required(childPath(this.#path, key)));
    const before = isJsonObject(old) ? old : undefined;
    for (const key of keys) {
      // metadata of the resource itself is validated for all kinds alike.
      if (key === 'metadata' && this.#steps.length === 0) continue;
      const property = propertySchema(schema, key);
      if (property) this.#below(key, property, value[key], before?.[key]);
    }
  }

  #junctors(schema: StructuralSchema, value: unknown): void {
    const { anyOf, oneOf, allOf, not } = schema;
    if (!anyOf && !oneOf && !allOf && !not) return;
    const path = this.#path;
    const outcomeOf = (option: StructuralSchema): Outcome => {
      const check = new StructureCheck(this.#steps);
      check.value(option, value, undefined);
      return { errors: check.errors, checks: check.#checks };
    };
    const take = ({ errors, checks }: Outcome) => {
      for (const error of errors) this.#found.push(error);
      this.#checks += checks;
    };
    if (anyOf?.length) take(anyOfOutcome(anyOf.map(outcomeOf), path));
    if (oneOf?.length) take(oneOfOutcome(oneOf.map(outcomeOf), path));
    if (allOf?.length) take(allOfOutcome(allOf.map(outcomeOf), path));
    if (not && isValid(outcomeOf(not)))
      this.#found.push(compositeError(path, 'must not validate the schema (not)'));
  }
}

/** What was found of a value under one of several schemas. */
interface Outcome {
  errors: readonly FieldError[];
  checks: number;
}

/** The checks that upstream makes of a value, whatever their outcome. */
function checksOf({ type, format }: StructuralSchema, value: unknown): number {
  if (value === null) return 0;
  const ofType = type || format ? 1 : 0;
  const ofFormat = typeof value === 'string' && format && isKnownFormat(format) ? 1 : 0;
  // Numbers and lists count for what is checked of them as well.
  const ofKind = typeof value === 'number' || typeof value === 'bigint' || Array.isArray(value) ? 2 : 1;
  // Combined schemas count twice, constants once, and the whole once.
  return ofType + ofFormat + (typeof value === 'boolean' ? 0 : ofKind) + 4;
}

function flatten(found: Found): FieldError[] {
  return found.flatMap((each) => (Array.isArray(each) ? flatten(each) : [each]));
}

function hasType(value: unknown, type: string): boolean {
  const actual = typeOf(value);
  return actual === type || (type === 'number' && actual === 'integer');
}

/** `actual`: what it is instead. */
function wrongType(path: string, type: string, actual: string): FieldError {
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

function isOneOf(allowed: readonly unknown[], value: unknown): boolean {
  return allowed.some((candidate) => equalJson(candidate, value));
}

function enumText(candidate: unknown): string {
  return typeof candidate === 'string' ? candidate : JSON.stringify(candidate);
}

/** Whether it has more than `limit` characters. */
function isLonger(value: string, limit: number): boolean {
  if (value.length <= limit) return false;
  // No character takes more than two units.
  if (value.length > 2 * limit + 1) return true;
  let characters = 0;
  for (const _ of value) if (++characters > limit) return true;
  return false;
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

/** Whether values of the type are held against the format. */
function knowsFormat(type: string, format: string | undefined): boolean {
  if (!format) return false;
  if (type === 'integer') return format === 'int32' || format === 'int64';
  if (type === 'number') return format === 'float' || format === 'double';
  return type === 'string' && isKnownFormat(format);
}

/** What upstream takes for a value's own format. */
function formatOf(value: unknown): string {
  if (isInteger(value)) return 'int64';
  return typeof value === 'number' ? 'float64' : '';
}

const floatMax = 3.402_823_466_385_288_6e38;
/** Inclusive. */
const integerRanges: Readonly<Record<string, [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** The type whose range the number exceeds, as upstream names it. */
function rangeProblem({ type, format = '' }: StructuralSchema, value: number | bigint): string | undefined {
  if (type === 'integer') {
    const known = knowsFormat(type, format);
    const [least, most] = integerRanges[known ? format : 'int64']!;
    const isWhole = typeof value === 'bigint' || Number.isInteger(value);
    if (isWhole && value >= least && value <= most) return undefined;
    return known ? `integer with format ${format}` : 'integer (default format)';
  }
  if (type !== 'number' || format !== 'float' || Math.abs(Number(value)) <= floatMax) return undefined;
  return `number with format ${format}`;
}

function isMultiple(value: number | bigint, step: number): boolean {
  if (typeof value === 'bigint' && Number.isSafeInteger(step)) return value % BigInt(step) === 0n;
  const quotient = Number(value) / step;
  return Number.isInteger(quotient) || Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.abs(quotient);
}

function isValid({ errors }: Outcome): boolean {
  return errors.length === 0;
}

const nothingFound: Outcome = { errors: [], checks: 0 };

function anyOfOutcome(outcomes: readonly Outcome[], path: string): Outcome {
  return (
    outcomes.find(isValid) ??
    withError(compositeError(path, 'must validate at least one schema (anyOf)'), nearest(outcomes))
  );
}

function oneOfOutcome(outcomes: readonly Outcome[], path: string): Outcome {
  const valid = outcomes.filter(isValid);
  if (valid.length === 1) return valid[0]!;
  const found = valid.length === 0 ? 'Found none valid' : `Found ${valid.length} valid alternatives`;
  const error = compositeError(path, `must validate one and only one schema (oneOf). ${found}`);
  return withError(error, valid.length === 0 ? nearest(outcomes) : nothingFound);
}

function allOfOutcome(outcomes: readonly Outcome[], path: string): Outcome {
  const errors = outcomes.flatMap((each) => each.errors);
  const checks = outcomes.reduce((sum, each) => sum + each.checks, 0);
  if (errors.length === 0) return { errors, checks };
  const none = outcomes.some(isValid) ? '' : '. None validated';
  return {
    errors: [...errors, compositeError(path, `must validate all the schemas (allOf)${none}`)],
    checks,
  };
}

/** The alternative that comes nearest: of which most was checked. */
function nearest(outcomes: readonly Outcome[]): Outcome {
  return outcomes.reduce((best, each) => (each.checks > best.checks ? each : best));
}

function withError(error: FieldError, { errors, checks }: Outcome): Outcome {
  return { errors: [error, ...errors], checks };
}

function compositeError(path: string, why: string): FieldError {
  return invalidValue('<nil>', '', `${JSON.stringify(path)} ${why}`);
}
