/** Validation of a reference to an object of any kind: backends of Ingresses, and parameters of IngressClasses. */
import { type FieldErrors, required } from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { pathSegmentProblems, subdomainProblems } from '../validation/names.ts';

export function* validateTypedReference(
  reference: { apiGroup?: string; kind?: string; name?: string },
  field: string,
): FieldErrors {
  const { apiGroup } = reference;
  if (typeof apiGroup === 'string')
    yield* invalidFor(`${field}.apiGroup`, apiGroup, subdomainProblems(apiGroup));
  for (const part of ['kind', 'name'] as const) {
    const value = reference[part];
    if (!value) yield required(`${field}.${part}`);
    else yield* invalidFor(`${field}.${part}`, value, pathSegmentProblems(value));
  }
}
