/** Validation of what a pod as a whole may have of its node's resources. */

import { computePodLimits, computePodRequests, exactAmounts } from '../../quantities/pod-resources.ts';
import {
  compareQuantities,
  formatQuantity,
  type Quantity,
  tryParseQuantity,
} from '../../quantities/quantity.ts';
import type { Pod } from '../../resources.gen.ts';
import type { PodSpec } from '../../types/core-v1.gen.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
} from '../../validation/field-error.ts';
import { validateResourceName, validateResourceRequirements } from '../../validation/resources.ts';
import { validateClaimUse } from './containers.ts';

const ofPods = ['cpu', 'hugepages-', 'memory'];

export function* validatePodResources(spec: PodSpec, field: string): FieldErrors {
  const { resources } = spec;
  if (!resources) return;
  if (spec.os?.name === 'windows') {
    yield forbiddenField(field, 'may not be set for a windows pod');
    return;
  }
  if (resources.claims)
    yield forbiddenField(`${field}.claims`, 'claims may not be set for Resources at pod-level');
  yield* validateResourceRequirements(resources, field, validateName);
  yield* validateClaimUse(spec, spec, `${field}.claims`);
  yield* validateWhole(spec, field);
}

function* validateName(name: string, field: string): FieldErrors {
  const errors = [...validateResourceName(name, field)];
  yield* errors;
  const isOfPods = name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
  if (errors.length === 0 && !isOfPods) yield notSupported(field, name, ofPods);
}

/** The whole is not less than its parts. */
function* validateWhole(spec: PodSpec, field: string): FieldErrors {
  const { resources: _, overhead: __, ...parts } = spec;
  const pod = { spec: parts } as Pod;
  for (const [name, sum] of computePodRequests(pod, exactAmounts))
    yield* atLeast(spec.resources?.requests?.[name], sum, `${field}.requests[${name}]`, 'requests');
  for (const [name, sum] of computePodLimits(pod, exactAmounts))
    if (name.startsWith('hugepages-'))
      yield* atLeast(spec.resources?.limits?.[name], sum, `${field}.limits[${name}]`, 'limits');
  for (const [index, container] of (spec.containers ?? []).entries())
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      const [own, whole] = [limit, spec.resources?.limits?.[name]].map(tryParseQuantity);
      if (own && whole && compareQuantities(own, whole) > 0)
        yield invalidValue(
          `${field}.containers[${index}][${name}].limits`,
          limit,
          `must be less than or equal to pod limits of ${spec.resources!.limits![name]}`,
        );
    }
}

function* atLeast(amount: string | undefined, sum: Quantity, field: string, what: string): FieldErrors {
  const whole = tryParseQuantity(amount);
  if (whole && compareQuantities(sum, whole) > 0)
    yield invalidValue(
      field,
      amount,
      `must be greater than or equal to aggregate container ${what} of ${formatQuantity(sum)}`,
    );
}
