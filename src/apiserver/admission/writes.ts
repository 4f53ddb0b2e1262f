/** Which requests write a pod itself: the first check of most plugins that handle pods. */
import type { AdmissionAttributes, Operation } from './admission.ts';

export function isPodWrite(
  { operation, request, object }: AdmissionAttributes,
  ...operations: readonly Operation[]
): boolean {
  const { type } = request.resource.definition;
  return (
    type.plural === 'pods' &&
    type.group === '' &&
    request.subresource === '' &&
    object !== undefined &&
    operations.includes(operation)
  );
}

export function isWriteOf(
  { operation, request, object }: AdmissionAttributes,
  { group, plural }: { group: string; plural: string },
  ...operations: readonly Operation[]
): boolean {
  const { type } = request.resource.definition;
  return (
    type.plural === plural &&
    type.group === group &&
    request.subresource === '' &&
    object !== undefined &&
    operations.includes(operation)
  );
}

/** The amounts of a pod's containers are to become others. */
export function isPodResize({ operation, request, object }: AdmissionAttributes): boolean {
  const { type } = request.resource.definition;
  return (
    type.plural === 'pods' &&
    type.group === '' &&
    request.subresource === 'resize' &&
    object !== undefined &&
    operation === 'UPDATE'
  );
}
