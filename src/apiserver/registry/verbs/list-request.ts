/** What a list or deletecollection asks for, which of its options contradict each other, and what it is answered. */

import { invalid } from '../../../api/status.ts';
import { type FieldError, forbiddenField, notSupportedInOrder } from '../../../api/validation/field-error.ts';
import type { RequestContext } from '../../request.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import type { Selection } from '../../watch-cache/selection.ts';
import type { ServedResource } from '../kind-registry.ts';
import { numberOf } from '../request-options.ts';
import { selectionOf } from '../selection.ts';

export interface ListRequest {
  resource: ServedResource;
  selection: Selection;
  /** 0: everything. */
  limit: number;
  continueToken: string;
  /** As the client sent it; empty for the newest. */
  resourceVersion: string;
  resourceVersionMatch: string;
  /** Asked for what only a watch can do. */
  wantsInitialEvents?: boolean;
}

export interface ListOutcome {
  items: CachedObject[];
  revision: number;
  continue?: string;
  remaining?: number;
}

/** The parameters of a list or deletecollection in path and query. @throws StatusError 400 */
export function readListRequest({ info, request }: RequestContext, resource: ServedResource): ListRequest {
  const { query } = request;
  return {
    resource,
    selection: selectionOf(resource, {
      namespace: info.namespace,
      name: '',
      labelSelector: query.get('labelSelector') ?? '',
      fieldSelector: query.get('fieldSelector') ?? '',
    }),
    limit: numberOf(query, 'limit') ?? 0,
    continueToken: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    wantsInitialEvents: query.has('sendInitialEvents'),
  };
}

/** @throws StatusError 422 */
export function checkListOptions(request: ListRequest): void {
  const { resourceVersion, resourceVersionMatch: match, continueToken } = request;
  const errors: FieldError[] = [];
  if (match) {
    if (!resourceVersion)
      errors.push(
        forbiddenField(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden unless resourceVersion is provided',
        ),
      );
    if (continueToken)
      errors.push(
        forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'),
      );
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(notSupportedInOrder('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && resourceVersion === '0')
      errors.push(
        forbiddenField(
          'resourceVersionMatch',
          'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
      );
  }
  if (request.wantsInitialEvents)
    errors.push(forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
}
