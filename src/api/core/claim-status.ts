/** Validation of a claim's status: its capacity, and the progress of its resizing. */

import { tryParseQuantity } from '../quantities/quantity.ts';
import type { PersistentVolumeClaim } from '../types/core-v1.gen.ts';
import { type FieldErrors, invalidValue, notSupported, required } from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { qualifiedNameProblems } from '../validation/names.ts';

const nanosPerUnit = 1_000_000_000n;
const resizeStates = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizePending',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
];

export function* validateClaimStatus({ spec, status }: PersistentVolumeClaim): FieldErrors {
  if (!spec?.accessModes?.length) yield required('Spec.accessModes');
  for (const name in status?.capacity)
    yield* validateAmount(status.capacity[name]!, `status.capacity[${name}]`);
  const states = status?.allocatedResourceStatuses;
  for (const name in states) {
    yield* validateResourceKey(name, 'status.allocatedResourceStatuses');
    if (!resizeStates.includes(states[name]!))
      yield notSupported('status.allocatedResourceStatuses', name, resizeStates);
  }
  for (const name in status?.allocatedResources) {
    const errors = [...validateResourceKey(name, 'status.allocatedResources')];
    yield* errors;
    if (errors.length === 0)
      yield* validateAmount(status.allocatedResources[name]!, `status.allocatedResources[${name}]`);
  }
}

/** Of Kubernetes' own resources a claim has storage alone. */
function* validateResourceKey(name: string, field: string): FieldErrors {
  const problems = qualifiedNameProblems(name);
  yield* invalidFor(field, name, problems);
  const isNative = !name.includes('/') || name.includes('kubernetes.io/');
  if (problems.length === 0 && isNative && name !== 'storage') yield notSupported(field, name, ['storage']);
}

/** The error shows the value as a whole number, as upstream's does here. */
function* validateAmount(value: string, field: string): FieldErrors {
  const nanos = tryParseQuantity(value)?.nanos ?? 0n;
  if (nanos >= 0n) return;
  const awayFromZero = (nanos - nanosPerUnit + 1n) / nanosPerUnit;
  yield invalidValue(field, Number(awayFromZero), 'must be a valid resource quantity');
}
