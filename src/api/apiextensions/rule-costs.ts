/** Bounds what the rules of a schema may cost: each of them, and all together. */

import { cardinalityWithin, elementsMax, estimateCost } from '../cel/cost.ts';
import { CelError } from '../cel/environment.ts';
import { compileRule } from '../cel/rules.ts';
import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import { type FieldErrors, forbiddenField } from '../validation/field-error.ts';

const ruleCostMax = 10_000_000;
const totalCostMax = 100_000_000;
/** Rules that are named when all together cost too much. */
const namedMax = 4;

interface RuleCost {
  field: string;
  what: string;
  cost: number;
}

export function* validateRuleCosts(root: JSONSchemaProps, field: string): FieldErrors {
  const costs = [...costsOf(root, field, 1)];
  for (const { field: path, what, cost } of costs)
    if (cost > ruleCostMax) yield forbiddenField(path, tooDear(`estimated ${what} cost`, cost, ruleCostMax));
  const total = costs.reduce((sum, { cost }) => sum + cost, 0);
  if (total <= totalCostMax) return;
  const dearest = costs.filter(({ cost }) => cost >= totalCostMax / 100).sort((a, b) => b.cost - a.cost);
  for (const { field: path } of dearest.slice(0, namedMax))
    yield forbiddenField(
      path,
      'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
    );
  const name = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
  yield forbiddenField(field, tooDear(name, total, totalCostMax));
}

/** `times`: how many values of the schema an object can hold; undefined when no bound is set. */
function* costsOf(schema: JSONSchemaProps, field: string, times: number | undefined): Generator<RuleCost> {
  for (const [index, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    const compiled = compiledOrNot(rule);
    if (!compiled) continue;
    const evaluations = times ?? cardinalityWithin(schema);
    const path = `${field}.x-kubernetes-validations[${index}]`;
    const cost = estimateCost(compiled.program.ast, schema) * evaluations;
    yield { field: `${path}.rule`, what: 'rule', cost };
    if (!compiled.message) continue;
    const messageCost = estimateCost(compiled.message.ast, schema) * evaluations;
    yield { field: `${path}.messageExpression`, what: 'messageExpression', cost: messageCost };
  }
  const factor = elementsMax(schema);
  const below = times === undefined || factor === undefined ? undefined : times * factor;
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* costsOf(property, `${field}.properties[${name}]`, below);
  const items = schema.items as JSONSchemaProps | undefined;
  if (items && !Array.isArray(items)) yield* costsOf(items, `${field}.items`, below);
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  if (typeof additional === 'object' && additional !== null)
    yield* costsOf(additional, `${field}.additionalProperties`, below);
}

type Rule = NonNullable<JSONSchemaProps['x-kubernetes-validations']>[number];

/** A rule that does not compile is a separate error, reported elsewhere. */
function compiledOrNot(rule: Rule): ReturnType<typeof compileRule> | undefined {
  if (!rule.rule?.trim()) return undefined;
  try {
    return compileRule(rule);
  } catch (error) {
    if (error instanceof CelError) return undefined;
    throw error;
  }
}

function tooDear(name: string, cost: number, limit: number): string {
  const times = cost / limit;
  const factor =
    times > 100 ? 'more than 100x' : times < 1.5 ? `${times.toFixed(6)}x` : `${times.toFixed(1)}x`;
  return `${name} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}
