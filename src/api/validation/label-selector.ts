/** Validation of label selectors, and of the maps that select by equality. */

import type { LabelSelector } from '../meta.ts';
import { type FieldError, type FieldErrors, forbiddenField, invalidValue, required } from './field-error.ts';
import { invalidFor } from './fields.ts';
import { labelValueProblems, qualifiedNameProblems } from './names.ts';

/** Labels, or a selector by equality: every key and value is checked; errors name the whole map. */
export function* validateLabels(labels: Record<string, string> | undefined, field: string): FieldErrors {
  for (const key in labels) {
    yield* invalidFor(field, key, qualifiedNameProblems(key));
    yield* invalidFor(field, labels[key], labelValueProblems(labels[key]!));
  }
}

export function* validateLabelSelector(selector: LabelSelector | undefined, field: string): FieldErrors {
  if (!selector) return;
  yield* validateLabels(selector.matchLabels, `${field}.matchLabels`);
  for (const [index, requirement] of (selector.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`;
    const values = requirement.values ?? [];
    switch (requirement.operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0)
          yield required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0)
          yield forbiddenField(
            `${path}.values`,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
          );
        break;
      default:
        yield invalidValue(`${path}.operator`, requirement.operator, 'not a valid selector operator');
    }
    yield* invalidFor(`${path}.key`, requirement.key, qualifiedNameProblems(requirement.key));
    for (const [valueIndex, value] of values.entries())
      yield* invalidFor(`${path}.values[${valueIndex}]`, value, labelValueProblems(value));
  }
}

/** Whether any error of `errors` would keep the selector from being compiled. */
export function isCompilable(selector: LabelSelector | undefined): boolean {
  const first: IteratorResult<FieldError> = validateLabelSelector(selector, '').next();
  return first.done === true;
}
