/** Expressions of admission policies and webhooks, judged when they are written: a broken one would refuse everything. */
import { CelError, compileCel } from '../cel/environment.ts';
import { withMapsForObjects } from '../cel/struct-literals.ts';
import { duplicate, type FieldErrors, invalidValue, required } from '../field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';

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

export function* validateExpression(
  expression: string | undefined,
  field: string,
  whenEmpty: string,
): FieldErrors {
  if (!expression?.trim()) {
    yield required(field, whenEmpty);
    return;
  }
  try {
    compileCel(withMapsForObjects(expression), policyVariables);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    yield invalidValue(field, expression, `compilation failed: ${error.message}`);
  }
}

export function* validateMatchConditions(
  conditions: readonly { name: string; expression: string }[] | undefined,
  field: string,
): FieldErrors {
  if (!conditions) return;
  if (conditions.length > matchConditionsMax)
    yield invalidValue(field, conditions.length, `must have at most ${matchConditionsMax} items`);
  const names = new Set<string>();
  for (const [index, { name, expression }] of conditions.entries()) {
    const path = `${field}[${index}]`;
    if (!name) yield required(`${path}.name`);
    else yield* invalidFor(`${path}.name`, name, qualifiedNameProblems(name));
    yield* validateExpression(expression, `${path}.expression`, '');
    if (name && names.has(name)) yield duplicate(`${path}.name`, name);
    names.add(name);
  }
}
