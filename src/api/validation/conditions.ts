/** Validation of conditions in newer kinds: with a type, a one-word reason and the time of their change. */

import type { Condition } from '../types/meta-v1.gen.ts';
import { duplicate, type FieldErrors, invalidValue, notSupported, required, tooLong } from './field-error.ts';
import { invalidFor } from './fields.ts';
import { conditionReasonProblems, qualifiedNameProblems } from './names.ts';

const statuses = ['True', 'False', 'Unknown'];
const reasonMax = 1024;
const messageMax = 32 * 1024;

export function* validateConditions(
  conditions: readonly Partial<Condition>[] | undefined,
  field: string,
): FieldErrors {
  const seen = new Set<string>();
  for (const [index, condition] of (conditions ?? []).entries()) {
    const { type = '' } = condition;
    if (seen.has(type)) yield duplicate(`${field}[${index}].type`, type);
    seen.add(type);
    yield* validateCondition(condition, `${field}[${index}]`);
  }
}

function* validateCondition(condition: Partial<Condition>, field: string): FieldErrors {
  const { type = '', status = '', observedGeneration = 0, reason, message = '' } = condition;
  yield* invalidFor(`${field}.type`, type, qualifiedNameProblems(type));
  if (!statuses.includes(status)) yield notSupported(`${field}.status`, status, statuses);
  if (observedGeneration < 0)
    yield invalidValue(
      `${field}.observedGeneration`,
      observedGeneration,
      'must be greater than or equal to zero',
    );
  if (!condition.lastTransitionTime) yield required(`${field}.lastTransitionTime`);
  if (!reason) yield required(`${field}.reason`);
  else {
    yield* invalidFor(`${field}.reason`, reason, conditionReasonProblems(reason));
    if (reason.length > reasonMax) yield tooLong(`${field}.reason`, reasonMax);
  }
  if (message.length > messageMax) yield tooLong(`${field}.message`, messageMax);
}
