/** What the conditions of both kinds of flow control have in common. */
import { duplicate, type FieldErrors, required } from '../validation/field-error.ts';

export function* validateConditionTypes(
  conditions: readonly { type?: string }[] | undefined,
  field = 'status.conditions',
): FieldErrors {
  const seen = new Set<string>();
  for (const [index, { type = '' }] of (conditions ?? []).entries()) {
    if (seen.has(type)) yield duplicate(`${field}[${index}].type`, type);
    seen.add(type);
    if (!type) yield required(`${field}[${index}].type`);
  }
}
