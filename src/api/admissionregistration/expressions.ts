/** Expressions of admission policies and webhooks, validated when they are written: a broken one would refuse everything. */
import { type Checked, checkExpression } from '../cel/check/check.ts';
import { type CelType, dyn, typeText, withoutObjects } from '../cel/check/types.ts';
import { CelError, type CelProgram, compileCel, constantProblem } from '../cel/environment.ts';
import { withMapsForObjects } from '../cel/struct-literals.ts';
import {
  duplicate,
  type FieldErrors,
  internalError,
  invalidValue,
  required,
  tooMany,
} from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';
import { type ExpressionScope, mutationObject, variableTypes } from './expression-types.ts';

/** What an expression of a policy may speak of. */
export const policyVariables = [
  'object',
  'oldObject',
  'request',
  'params',
  'namespaceObject',
  'authorizer',
  'variables',
];

const matchConditionsMax = 64;

export interface Wanted {
  /** Kinds or texts of types that the result may be of; absent: any. */
  types?: readonly string[];
  /** As errors name them. */
  text?: string;
  scope: ExpressionScope;
  whenEmpty: string;
}

export const wantsBool = { types: ['bool'], text: 'bool' };
export const wantsString = { types: ['string'], text: 'string' };

export function* validateExpression(
  expression: string | undefined,
  field: string,
  wanted: Wanted,
): FieldErrors {
  if (!expression?.trim()) yield required(field, wanted.whenEmpty);
  else {
    const compiled = compiledOrProblem(expression, wanted);
    if (typeof compiled === 'string') yield invalidValue(field, expression, compiled);
    else {
      const problem = constantProblem(compiled);
      if (problem) yield internalError(field, `program instantiation failed: ${problem}`);
    }
  }
}

function compiledOrProblem(expression: string, { types, text, scope }: Wanted): CelProgram | string {
  const { type, problems } = checked(expression, scope);
  if (problems.length > 0) return `compilation failed: ${problems.join('\n')}`;
  // Here, and not in errors of the compiler, the type of nothing has its own name.
  const found = typeText(type!).replaceAll(/\bnull\b/g, 'null_type');
  if (types && !types.includes(found)) return `must evaluate to ${text} but got ${found}`;
  try {
    return compileCel(withMapsForObjects(expression), policyVariables);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return `compilation failed: ${error.message}`;
  }
}

function checked(expression: string, scope: ExpressionScope): Checked {
  return checkExpression(expression, variableTypes(scope), scope.hasPatchTypes ? mutationObject : undefined);
}

/** For a variable; if its expression has errors, its type is unknown. */
export function variableType(expression: string, scope: ExpressionScope): CelType {
  const { type } = checked(expression, scope);
  return type ? withoutObjects(type) : dyn;
}

/** The errors of an expression, each as upstream's compiler prints it. */
export function problemsOf(expression: string, scope: ExpressionScope): string[] {
  return checked(expression, scope).problems;
}

export function* validateMatchConditions(
  conditions: readonly { name: string; expression: string }[] | undefined,
  field: string,
  { hasParams }: { hasParams: boolean },
): FieldErrors {
  if (!conditions) return;
  if (conditions.length > matchConditionsMax) yield tooMany(field, conditions.length, matchConditionsMax);
  const names = new Set<string>();
  for (const [index, { name, expression }] of conditions.entries()) {
    const path = `${field}[${index}]`;
    const scope = { hasParams, hasAuthorizer: true };
    yield* validateExpression(expression, `${path}.expression`, { ...wantsBool, scope, whenEmpty: '' });
    if (!name) yield required(`${path}.name`);
    else yield* invalidFor(`${path}.name`, name, qualifiedNameProblems(name));
    if (name && names.has(name)) yield duplicate(`${path}.name`, name);
    names.add(name);
  }
}
