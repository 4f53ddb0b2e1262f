/** DeleteOptions: from the body of a DELETE, or from its query. */

import { bodySizeBytesMax } from '../../../api/schema/body/body.ts';
import { DecodeError, decode } from '../../../api/schema/decode.ts';
import { badRequest, invalid } from '../../../api/status.ts';
import { type FieldError, invalidValue, notSupportedInOrder } from '../../../api/validation/field-error.ts';
import type { JsonObject } from '../../../base/json-object.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import type { ApiRequest, RequestContext } from '../../request.ts';
import { type BodyType, mediaTypeOf, parseBytes, requireObjectMediaType } from '../conversion/codec.ts';
import type { ServedResource } from '../kind-registry.ts';
import { isDryRun, numberOf } from '../request-options.ts';
import type { DeleteRequest } from './delete.ts';

export type DeleteOptionsRead = Pick<
  DeleteRequest,
  'gracePeriodSeconds' | 'propagationPolicy' | 'preconditions' | 'options' | 'dryRun'
>;

/**
 * Of a delete of `resource`: whoever leaves it to the kind what becomes of dependents may be warned.
 * @throws StatusError 400, 422
 */
export async function readDeleteOptionsOf(
  context: RequestContext,
  { definition }: ServedResource,
): Promise<DeleteOptionsRead> {
  const options = await readDeleteOptions(context);
  if (definition.deletionWarning !== undefined && options.propagationPolicy === undefined)
    context.warnings.push(definition.deletionWarning);
  return options;
}

async function readDeleteOptions(context: RequestContext): Promise<DeleteOptionsRead> {
  const { request } = context;
  const { localBody } = request;
  const body = localBody ? localOptions(localBody.value) : await readBodyObject(request);
  const { query } = request;
  const options: Record<string, unknown> = { kind: 'DeleteOptions', apiVersion: 'v1', ...body };
  // A body says everything: with one, the query is not looked at.
  if (!body) {
    const grace = numberOf(query, 'gracePeriodSeconds');
    if (grace !== undefined) options.gracePeriodSeconds = grace;
    const policy = query.get('propagationPolicy');
    if (policy !== null) options.propagationPolicy = policy;
    const orphan = query.get('orphanDependents');
    if (orphan !== null) options.orphanDependents = isTrue(orphan);
    const preconditions = preconditionsOf(query);
    if (preconditions) options.preconditions = preconditions;
    if (query.has('dryRun')) options.dryRun = query.getAll('dryRun');
  }
  // In the version that the client says, or else in that of options of all kinds.
  if (body) context.requestObject = { ...options, apiVersion: body.apiVersion ?? 'meta.k8s.io/v1' };
  checkOptions(options);
  const orphan = options.orphanDependents as boolean | undefined;
  const policy = options.propagationPolicy as string | undefined;
  return {
    gracePeriodSeconds: options.gracePeriodSeconds as number | undefined,
    propagationPolicy: policy ?? (orphan === undefined ? undefined : orphan ? 'Orphan' : 'Background'),
    preconditions: options.preconditions as DeleteOptionsRead['preconditions'],
    dryRun: isDryRun((options.dryRun as string[] | undefined) ?? [], 'DeleteOptions'),
    options,
  };
}

function preconditionsOf(query: URLSearchParams): DeleteOptionsRead['preconditions'] {
  const [uid, resourceVersion] = [query.get('uid'), query.get('resourceVersion')];
  if (!uid && !resourceVersion) return undefined;
  return { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
}

function localOptions(body: unknown): JsonObject | undefined {
  return body === undefined ? undefined : decoded(body);
}

/** Undefined when there is none. */
async function readBodyObject(request: ApiRequest): Promise<Record<string, unknown> | undefined> {
  if (request.header('content-length') === '0') return undefined;
  const bytes = await request.readBody(bodySizeBytesMax);
  if (bytes.length === 0) return undefined;
  const mediaType = mediaTypeOf(request.header('content-type'));
  requireObjectMediaType(mediaType, deleteOptionsType);
  const { value } = await parseBytes(bytes, mediaType, deleteOptionsType);
  if (value.kind !== undefined && value.kind !== 'DeleteOptions')
    throw badRequest(
      `no kind "${value.kind}" is registered for version "${value.apiVersion ?? 'meta.k8s.io/v1'}" in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"`,
    );
  return decoded(value);
}

/**
 * With the fields' types checked: a fraction of a second would be stored, and no client could read the object again.
 */
function decoded(value: unknown): JsonObject {
  try {
    return decode(deleteOptionsType.schema, value).object;
  } catch (error) {
    if (error instanceof DecodeError) throw badRequest(error.message);
    throw error;
  }
}

const deleteOptionsType: BodyType = {
  kind: 'DeleteOptions',
  schema: 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
};

const policies = ['Foreground', 'Background', 'Orphan'];

function checkOptions(options: Record<string, unknown>): void {
  const errors: FieldError[] = [];
  const { propagationPolicy: policy, orphanDependents: orphan } = options;
  if (orphan !== undefined && policy !== undefined)
    errors.push(
      invalidValue(
        'propagationPolicy',
        policy,
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    );
  if (policy !== undefined && !policies.includes(policy as string))
    errors.push(notSupportedInOrder('propagationPolicy', policy, [...policies, 'nil']));
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
}
