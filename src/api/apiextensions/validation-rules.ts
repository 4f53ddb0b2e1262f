/** Validates `x-kubernetes-validations`, the CEL rules of a schema: their fields, and whether their expressions can hold. */
import { checkExpression } from '../cel/check/check.ts';
import { typeOfRoot, typeOfSchema } from '../cel/check/schema-types.ts';
import { type CelType, dyn, optionalOf } from '../cel/check/types.ts';
import { CelError, constantProblem } from '../cel/environment.ts';
import { type CompiledRule, compileRule } from '../cel/rules.ts';
import type { StructuralSchema } from '../structural/schema.ts';
import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, invalidValue, notSupported, required } from '../validation/field-error.ts';
import { findField } from './field-paths.ts';

type Rule = NonNullable<JSONSchemaProps['x-kubernetes-validations']>[number];

/** The schema that has rules. */
export interface RuleSite {
  field: string;
  isRoot?: boolean;
  /** Path of the list whose items cannot be matched with earlier ones: below it there is no earlier state. */
  lostIn?: string;
}

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];

const pathOf = (field: string, index: number) => `${field}.x-kubernetes-validations[${index}]`;
const hasLineBreak = (text: string) => /[\n\r]/.test(text);

/** What can be said of rules without compiling them. */
export function* validateRuleFields(schema: JSONSchemaProps, field: string): FieldErrors {
  for (const [index, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    const path = pathOf(field, index);
    const { message = '', messageExpression = '', reason, fieldPath = '' } = rule;
    yield* validateText(rule.rule ?? '', message, path);
    if (messageExpression && !messageExpression.trim())
      yield required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified');
    if (reason !== undefined && !reasons.includes(reason))
      yield notSupported(`${path}.reason`, reason, reasons);
    if (fieldPath && !fieldPath.trim())
      yield invalidValue(`${path}.fieldPath`, fieldPath, 'must be non-empty if specified');
    if (hasLineBreak(fieldPath))
      yield invalidValue(`${path}.fieldPath`, fieldPath, 'must not contain line breaks');
    if (fieldPath && 'problem' in findField(fieldPath, schema as StructuralSchema, { allowsKeys: true }))
      yield invalidValue(`${path}.fieldPath`, fieldPath, 'must be a valid path');
  }
}

function* validateText(rule: string, message: string, path: string): FieldErrors {
  if (!rule.trim()) yield required(`${path}.rule`, 'rule is not specified');
  else if (message && !message.trim())
    yield invalidValue(`${path}.message`, message, 'must be non-empty if specified');
  else if (hasLineBreak(message.trim()))
    yield invalidValue(`${path}.message`, message, 'must not contain line breaks');
  else if (hasLineBreak(rule.trim()) && !message.trim())
    yield required(`${path}.message`, 'message must be specified if rule contains line breaks');
}

/** For rules that compile. */
export function* validateRules(schema: JSONSchemaProps, site: RuleSite): FieldErrors {
  const rules = schema['x-kubernetes-validations'] ?? [];
  if (rules.length === 0) return;
  const typeOf = site.isRoot ? typeOfRoot : typeOfSchema;
  const self = typeOf(schema as StructuralSchema, selfTypeName(rules)) ?? dyn;
  for (const [index, rule] of rules.entries()) {
    const path = pathOf(site.field, index);
    const { compiled, problem, messageProblem } = compileSoundly(rule, self);
    if (problem) yield invalidValue(`${path}.rule`, innerForm('apiextensions.ValidationRule', rule), problem);
    if (messageProblem)
      yield invalidValue(
        `${path}.messageExpression`,
        innerForm('apiextensions.ValidationRule', rule),
        messageProblem,
      );
    yield* validateTransition(
      rule,
      { isTransition: compiled?.isTransition ?? false, lostIn: site.lostIn },
      path,
    );
  }
}

function* validateTransition(
  { rule, optionalOldSelf }: Rule,
  { isTransition, lostIn }: Pick<RuleSite, 'lostIn'> & { isTransition: boolean },
  path: string,
): FieldErrors {
  if (isTransition && lostIn)
    yield invalidValue(
      `${path}.rule`,
      rule,
      `oldSelf cannot be used on the uncorrelatable portion of the schema within ${lostIn}`,
    );
  if (!isTransition && optionalOldSelf !== undefined)
    yield invalidValue(
      `${path}.optionalOldSelf`,
      optionalOldSelf,
      'may not be set if oldSelf is not used in rule',
    );
}

interface SoundRule {
  compiled?: CompiledRule;
  problem?: string;
  messageProblem?: string;
}

function compileSoundly(rule: Rule, self: CelType): SoundRule {
  const variables = new Map([
    ['self', self],
    ['oldSelf', rule.optionalOldSelf ? optionalOf(self) : self],
  ]);
  const problem = problemOf(rule.rule, variables, 'bool');
  const { messageExpression } = rule;
  const wrongMessage = messageExpression && problemOf(messageExpression, variables, 'string');
  const messageProblem = wrongMessage ? { messageProblem: `messageExpression ${wrongMessage}` } : {};
  if (problem) return { problem: problem.replace(/^must/, 'cel expression must'), ...messageProblem };
  try {
    const compiled = compileRule(wrongMessage ? { rule: rule.rule } : rule);
    const constant = constantProblem(compiled.program);
    const messageConstant = compiled.message && constantProblem(compiled.message);
    return {
      compiled,
      ...(constant && { problem: `program instantiation failed: ${constant}` }),
      ...messageProblem,
      ...(messageConstant && {
        messageProblem: `messageExpression instantiation failed: ${messageConstant}`,
      }),
    };
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return { problem: `compilation failed: ${error.message}`, ...messageProblem };
  }
}

function problemOf(
  source: string,
  variables: ReadonlyMap<string, CelType>,
  wanted: 'bool' | 'string',
): string | undefined {
  const { type, problems } = checkExpression(source, variables);
  if (problems.length > 0) return `compilation failed: ${problems.join('\n')}`;
  return type?.kind === wanted ? undefined : `must evaluate to a ${wanted}`;
}

/** Upstream numbers the type of a schema's own objects in an unpredictable way. */
function selfTypeName(rules: readonly Rule[]): string {
  let number = 7;
  for (const character of rules.map(({ rule }) => rule).join())
    number = (number * 31 + character.codePointAt(0)!) % 1_000_000_000;
  return `selfType${number}`;
}
