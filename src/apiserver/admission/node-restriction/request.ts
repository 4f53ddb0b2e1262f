/** What the rules of NodeRestriction are given, and how they refuse. */
import { forbidden, type StatusError } from '../../../api/status.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import type { ObjectReader } from '../../object-reader.ts';
import type { AdmissionAttributes } from '../admission.ts';

export interface NodeRequest {
  /** The node that asks. */
  node: string;
  attributes: AdmissionAttributes;
  objects: ObjectReader;
  authorize: Authorizer;
}

export function refuse({ attributes }: NodeRequest, why: string): StatusError {
  const { request, object } = attributes;
  return forbidden(request.resource.definition.type, request.name || object?.metadata.name || '', why);
}
