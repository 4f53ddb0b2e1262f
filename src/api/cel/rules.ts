/** `x-kubernetes-validations`: the rules of a schema, compiled once and held against objects. */

import { isJsonObject } from '../../base/json-object.ts';
import { ownValue } from '../schema/json-value.ts';
import {
  childPath,
  itemSchema,
  propertySchema,
  type StructuralSchema,
  schemasBelow,
} from '../structural/schema.ts';
import { isUnchanged, oldItems } from '../structural/unchanged.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrorType,
  forbiddenField,
  invalidValue,
  invalidWithoutValue,
  required,
} from '../validation/field-error.ts';
import { budgetSpent } from './budget.ts';
import { CelError, type CelProgram, celOptional, compileCel } from './environment.ts';
import { celResourceOf, celValueOf } from './values.ts';

type ValidationRule = NonNullable<StructuralSchema['x-kubernetes-validations']>[number];

export interface CompiledRule {
  rule: ValidationRule;
  program: CelProgram;
  message: CelProgram | undefined;
  /** It compares with the state before: holds on updates only, unless it says otherwise. */
  isTransition: boolean;
}

const untimed: CelTimes = { compiling: (work) => work(), evaluating: (work) => work() };
const variables = ['self', 'oldSelf'];
/** No rule is looked at after one that was. */
const tooDear = 'no further validation rules will be run due to call cost exceeds limit';
const reasons: Readonly<Record<string, FieldErrorType>> = {
  FieldValueInvalid: 'FieldValueInvalid',
  FieldValueForbidden: 'FieldValueForbidden',
  FieldValueRequired: 'FieldValueRequired',
  FieldValueDuplicate: 'FieldValueDuplicate',
};

/** Called with the durations of its work. */
export interface CelTimes {
  compiling<T>(work: () => T): T;
  evaluating<T>(work: () => T): T;
}

/** The rules of one CustomResourceDefinition version. Compiles a schema's rules when they are first needed. */
export class SchemaRules {
  readonly #schema: StructuralSchema;
  readonly #times: CelTimes;
  readonly #compiled = new Map<StructuralSchema, readonly CompiledRule[]>();
  readonly #hasRules = new Map<StructuralSchema, boolean>();

  constructor(schema: StructuralSchema, times: CelTimes = untimed) {
    this.#schema = schema;
    this.#times = times;
  }

  get isEmpty(): boolean {
    return !this.#anyBelow(this.#schema);
  }

  /**
   * What the rules report for a whole resource; `old` is its state before an update: of what has not changed the client
   * is only warned.
   */
  validate(object: unknown, old: unknown): RuleResults {
    return this.#times.evaluating(() => {
      const results: RuleResults = { errors: [], warnings: [] };
      const whole = { schema: this.#schema, value: object, old, path: '', isKept: false };
      for (const found of this.#value(whole)) {
        results[found.isKept ? 'warnings' : 'errors'].push(found.error);
        if (found.error.detail.includes(tooDear)) break;
      }
      return results;
    });
  }

  *#value(given: RuledValue): Generator<Finding> {
    const { schema, value, old, path } = given;
    if (value === undefined || value === null || !this.#anyBelow(schema)) return;
    const isKept = given.isKept || (old !== undefined && isUnchanged(schema, value, old));
    for (const compiled of this.#rulesOf(schema)) {
      const found = checkRule(compiled, { ...given, isKept });
      if (found) yield found;
    }
    if (Array.isArray(value)) {
      const items = itemSchema(schema);
      if (!items) return;
      const before = oldItems(schema, old);
      for (const [index, item] of value.entries()) {
        const child = { value: item, old: before(item, index), path: childPath(path, index) };
        yield* this.#value({ schema: items, ...child, isKept });
      }
    } else if (isJsonObject(value)) {
      const before = isJsonObject(old) ? old : {};
      for (const [key, child] of Object.entries(value)) {
        const property = propertySchema(schema, key);
        const isNamed = Object.hasOwn(schema.properties ?? {}, key);
        const below = isNamed ? childPath(path, key) : `${path}[${key}]`;
        if (property)
          yield* this.#value({
            schema: property,
            value: child,
            old: ownValue(before, key),
            path: below,
            isKept,
          });
      }
    }
  }

  #rulesOf(schema: StructuralSchema): readonly CompiledRule[] {
    const known = this.#compiled.get(schema);
    if (known) return known;
    const rules = schema['x-kubernetes-validations'] ?? [];
    const compiled = rules.length === 0 ? [] : this.#times.compiling(() => rules.map(compileRule));
    this.#compiled.set(schema, compiled);
    return compiled;
  }

  #anyBelow(schema: StructuralSchema): boolean {
    const known = this.#hasRules.get(schema);
    if (known !== undefined) return known;
    const any =
      (schema['x-kubernetes-validations']?.length ?? 0) > 0 ||
      schemasBelow(schema).some((child) => this.#anyBelow(child));
    this.#hasRules.set(schema, any);
    return any;
  }
}

/** Compiles without caching: reports the errors in a rule to the author of a definition. @throws CelError */
export function compileRule(rule: ValidationRule): CompiledRule {
  const program = compileCel(rule.rule, variables);
  if (program.resultType !== 'bool' && program.resultType !== 'dyn') {
    throw new CelError('cel expression must evaluate to a bool');
  }
  const message = rule.messageExpression ? compileCel(rule.messageExpression, variables) : undefined;
  if (message && message.resultType !== 'string' && message.resultType !== 'dyn') {
    throw new CelError('messageExpression must evaluate to a string');
  }
  return { rule, program, message, isTransition: mentions(program.ast, 'oldSelf') };
}

/** A value of the resource that rules are about. */
interface RuledValue {
  schema: StructuralSchema;
  value: unknown;
  /** Before an update. */
  old: unknown;
  path: string;
  /** It is within something that has not changed. */
  isKept: boolean;
}

export interface RuleResults {
  errors: FieldError[];
  warnings: FieldError[];
}

interface Finding {
  error: FieldError;
  isKept: boolean;
}

function checkRule(
  compiled: CompiledRule,
  { schema, value, old, path, isKept }: RuledValue,
): Finding | undefined {
  const { rule, program, isTransition } = compiled;
  const hasOld = old !== undefined && old !== null;
  if (isTransition && !hasOld && !rule.optionalOldSelf) return undefined;
  const celOf = path === '' ? celResourceOf : celValueOf;
  const oldSelf = hasOld ? celOf(schema, old) : undefined;
  const values = {
    self: celOf(schema, value),
    oldSelf: rule.optionalOldSelf ? celOptional(oldSelf) : oldSelf,
  };
  try {
    if (program.evaluate(values) === true) return undefined;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    const shown = rule.message?.trim() || rule.rule.trim();
    const why = error.message.startsWith(budgetSpent)
      ? `'${error.message}': ${tooDear} for rule: ${shown}`
      : `${error.message} evaluating rule: ${shown}`;
    // What cannot be decided is an error, whatever has changed.
    return { error: invalidValue(path || '<nil>', typeNameOf(schema, value), why), isKept: false };
  }
  // Unchanged values are not held against the client, unless the rule is about the change itself.
  return { error: ruleError(compiled, values, value, path), isKept: isKept && !isTransition };
}

function ruleError(
  { rule, message }: CompiledRule,
  values: Record<string, unknown>,
  value: unknown,
  path: string,
): FieldError {
  const text = expressedMessage(message, values) ?? rule.message ?? `failed rule: ${rule.rule.trim()}`;
  const field = path + (rule.fieldPath ?? '');
  const shown = (path === '' ? field.replace(/^\./, '') : field) || '<nil>';
  return errorFor(reasons[rule.reason ?? ''], shown, value, text);
}

/** Only values that fit a line are shown. */
function errorFor(type: FieldErrorType | undefined, field: string, value: unknown, text: string): FieldError {
  const isShown = typeof value !== 'object' || value === null;
  if (type === 'FieldValueForbidden') return forbiddenField(field, text);
  if (type === 'FieldValueRequired') return required(field, text);
  if (type === 'FieldValueDuplicate' && isShown) return duplicate(field, value);
  return isShown ? invalidValue(field, value, text) : invalidWithoutValue(field, text);
}

/** An expression that fails or returns an empty text is ignored in favour of the fixed message. */
function expressedMessage(
  message: CelProgram | undefined,
  values: Record<string, unknown>,
): string | undefined {
  if (!message) return undefined;
  try {
    const text = message.evaluate(values);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text : undefined;
  } catch (error) {
    if (error instanceof CelError) return undefined;
    throw error;
  }
}

function typeNameOf(schema: StructuralSchema, value: unknown): string {
  return schema.type || (Array.isArray(value) ? 'array' : typeof value);
}

/** Whether an expression uses a variable. */
function mentions(ast: unknown, name: string): boolean {
  if (Array.isArray(ast)) return ast.some((part) => mentions(part, name));
  if (typeof ast !== 'object' || ast === null) return false;
  const { op, args } = ast as { op?: string; args?: unknown };
  return op === 'id' ? args === name : mentions(args, name);
}
