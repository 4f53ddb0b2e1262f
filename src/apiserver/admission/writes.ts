/** Which objects a request writes: the first check of most plugins. */
import { Pod } from '../../api/resources.gen.ts';
import type { AdmissionAttributes, Operation } from './admission.ts';

type Type = { group: string; plural: string };

/** Whether objects of this type themselves are written, not a subresource of theirs. */
export function isWriteOf(
  attributes: AdmissionAttributes,
  type: Type,
  ...operations: readonly Operation[]
): boolean {
  return writes(attributes, type, '') && operations.includes(attributes.operation);
}

export function isPodWrite(attributes: AdmissionAttributes, ...operations: readonly Operation[]): boolean {
  return writes(attributes, Pod, '') && operations.includes(attributes.operation);
}

/** The amounts of a pod's containers are to become others. */
export function isPodResize(attributes: AdmissionAttributes): boolean {
  return writes(attributes, Pod, 'resize') && attributes.operation === 'UPDATE';
}

function writes(
  { request, object }: AdmissionAttributes,
  { group, plural }: Type,
  subresource: string,
): boolean {
  const { type } = request.resource.definition;
  return (
    type.plural === plural &&
    type.group === group &&
    request.subresource === subresource &&
    object !== undefined
  );
}
