/** What a Job may say of its failures and of an early success. */

import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../types/batch-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  duplicate,
  type FieldErrors,
  invalidValue,
  invalidWithoutValue,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../validation/field-error.ts';
import { invalidFor, nonNegative } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';
import { countIndexes, parseIntervals } from './index-intervals.ts';

const rulesMax = 20;
const conditionsMax = 20;
const exitCodesMax = 255;
const indexesMaxBytes = 64 * 1024;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];

export function* validatePodFailurePolicy(spec: JobSpec, field: string): FieldErrors {
  const rules = spec.podFailurePolicy?.rules ?? [];
  if (rules.length > rulesMax) yield tooMany(`${field}.rules`, rules.length, rulesMax);
  const { containers, initContainers } = spec.template?.spec ?? {};
  const names = new Set([...(containers ?? []), ...(initContainers ?? [])].map(({ name }) => name));
  const job = { limitsIndexes: spec.backoffLimitPerIndex !== undefined, containers: names };
  for (const [index, rule] of rules.entries()) yield* validateRule(rule, job, `${field}.rules[${index}]`);
}

function* validateRule(
  rule: PodFailurePolicyRule,
  { limitsIndexes, containers }: { limitsIndexes: boolean; containers: ReadonlySet<string> },
  field: string,
): FieldErrors {
  yield* choice(rule.action, actions, `${field}.action`);
  if (rule.action === 'FailIndex' && !limitsIndexes)
    yield invalidValue(`${field}.action`, rule.action, 'requires the backoffLimitPerIndex to be set');
  const { onExitCodes } = rule;
  const onPodConditions = rule.onPodConditions ?? [];
  if (onExitCodes) yield* validateExitCodes(onExitCodes, containers, `${field}.onExitCodes`);
  yield* validatePatterns(onPodConditions, `${field}.onPodConditions`);
  if (onExitCodes && onPodConditions.length > 0)
    yield invalidWithoutValue(field, 'specifying both OnExitCodes and OnPodConditions is not supported');
  if (!onExitCodes && onPodConditions.length === 0)
    yield invalidWithoutValue(field, 'specifying one of OnExitCodes and OnPodConditions is required');
}

function* choice(value: string | undefined, supported: readonly string[], field: string): FieldErrors {
  const list = supported.map((item) => JSON.stringify(item)).join(' ');
  if (!value) yield required(field, `valid values: [${list}]`);
  else if (!supported.includes(value)) yield notSupported(field, value, supported);
}

function* validateExitCodes(
  { operator, containerName, values }: PodFailurePolicyOnExitCodesRequirement,
  containers: ReadonlySet<string>,
  field: string,
): FieldErrors {
  yield* choice(operator, operators, `${field}.operator`);
  if (containerName !== undefined && !containers.has(containerName))
    yield invalidValue(
      `${field}.containerName`,
      containerName,
      'must be one of the container or initContainer names in the pod template',
    );
  const codes = values ?? [];
  const valuesField = `${field}.values`;
  if (codes.length === 0) yield invalidValue(valuesField, values ?? null, 'at least one value is required');
  if (codes.length > exitCodesMax) yield tooMany(valuesField, codes.length, exitCodesMax);
  const seen = new Set<number>();
  for (const [index, code] of codes.entries()) {
    const path = `${valuesField}[${index}]`;
    if (code === 0 && operator === 'In') yield invalidValue(path, code, 'must not be 0 for the In operator');
    if (seen.has(code)) yield duplicate(path, code);
    seen.add(code);
  }
  if (codes.some((code, index) => index > 0 && codes[index - 1]! > code))
    yield invalidValue(valuesField, codes, 'must be ordered');
}

function* validatePatterns(
  patterns: readonly PodFailurePolicyOnPodConditionsPattern[],
  field: string,
): FieldErrors {
  if (patterns.length > conditionsMax) yield tooMany(field, patterns.length, conditionsMax);
  for (const [index, { type, status }] of patterns.entries()) {
    yield* invalidFor(`${field}[${index}].type`, type, qualifiedNameProblems(type));
    yield* choice(status, statuses, `${field}[${index}].status`);
  }
}

export function* validateSuccessPolicy(spec: JobSpec, field: string): FieldErrors {
  if (spec.completionMode !== 'Indexed') {
    yield invalidValue(
      field,
      innerForm('batch.SuccessPolicy', spec.successPolicy),
      'requires indexed completion mode',
    );
    return;
  }
  const rules = spec.successPolicy?.rules ?? [];
  if (rules.length === 0)
    yield required(
      `${field}.rules`,
      'at least one rules must be specified when the successPolicy is specified',
    );
  if (rules.length > rulesMax) yield tooMany(`${field}.rules`, rules.length, rulesMax);
  for (const [index, rule] of rules.entries())
    yield* validateSuccessRule(rule, spec.completions ?? 0, `${field}.rules[${index}]`);
}

function* validateSuccessRule(
  { succeededIndexes, succeededCount }: SuccessPolicyRule,
  completions: number,
  field: string,
): FieldErrors {
  if (succeededCount === undefined && succeededIndexes === undefined)
    yield required(field, 'at least one of succeededCount or succeededIndexes must be specified');
  const indexesField = `${field}.succeededIndexes`;
  if (succeededIndexes !== undefined && succeededIndexes.length > indexesMaxBytes)
    yield tooLong(indexesField, indexesMaxBytes);
  const indexes = parseIntervals(succeededIndexes ?? '', completions);
  if (typeof indexes === 'string')
    yield invalidValue(indexesField, succeededIndexes, `error parsing succeededIndexes: ${indexes}`);
  if (succeededCount === undefined) return;
  const countField = `${field}.succeededCount`;
  yield* nonNegative(succeededCount, countField);
  const atMost = (max: number, what: string) =>
    invalidValue(countField, succeededCount, `must be less than or equal to ${max} (the number of ${what})`);
  if (succeededCount > completions) yield atMost(completions, 'specified completions');
  const listed = typeof indexes === 'string' ? 0 : countIndexes(indexes);
  if (succeededIndexes !== undefined && succeededCount > listed)
    yield atMost(listed, 'indexes in the specified succeededIndexes field');
}
