/** By which rule one of several candidates leads. */
import { type FieldErrors, notSupported } from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';

export const oldestEmulationVersion = 'OldestEmulationVersion';

/** Kubernetes' own, or one of others with their domain. Errors stand one level too deep, as upstream's. */
export function* validateStrategy(strategy: string, field: string): FieldErrors {
  const path = `${field}.strategy`;
  if (strategy.includes('/')) yield* invalidFor(path, strategy, qualifiedNameProblems(strategy));
  else if (strategy !== oldestEmulationVersion) yield notSupported(path, strategy, [oldestEmulationVersion]);
}
