/** Annotations of pods, and of their templates, that mean something to Kubernetes. */
import { type FieldErrors, invalidValue } from '../../field-error.ts';
import type { PodTemplateSpec } from '../../types/core-v1.gen.ts';
import { mirrorPodAnnotation } from '../../well-known.ts';

const deletionCost = 'controller.kubernetes.io/pod-deletion-cost';

type Annotated = Pick<PodTemplateSpec, 'metadata' | 'spec'>;

/** `old`: what was wrong before may stay so. */
export function* validatePodAnnotations(
  pod: Annotated | undefined,
  field: string,
  old?: Annotated,
): FieldErrors {
  const annotations = pod?.metadata?.annotations ?? {};
  if (annotations[mirrorPodAnnotation] !== undefined && !pod?.spec?.nodeName)
    yield invalidValue(
      `${field}[${mirrorPodAnnotation}]`,
      annotations[mirrorPodAnnotation],
      'must set spec.nodeName if mirror pod annotation is set',
    );
  if (
    !isDeletionCost(annotations[deletionCost]) &&
    isDeletionCost(old?.metadata?.annotations?.[deletionCost])
  )
    yield invalidValue(`${field}[${deletionCost}]`, annotations[deletionCost], 'must be a 32bit integer');
}

/** Nothing that an integer of Go would not be printed as, such as `+1` or `01`. */
function isDeletionCost(text: string | undefined): boolean {
  if (text === undefined) return true;
  return /^(0|-?\d+)$/.test(text) && !/^0./.test(text) && Number(text) === (Number(text) | 0);
}
