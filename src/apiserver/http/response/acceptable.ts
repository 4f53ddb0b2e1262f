/** Whether a client can read what it asks for: found out before anything is read, written or noted for the audit log. */
import { badRequest, notAcceptable } from '../../../api/status.ts';
import type { ServedResource } from '../../registry/kind-registry.ts';
import type { ApiRequest, ApiResponse, RequestContext } from '../../request.ts';
import type { IncludeObject } from '../../tables/table.ts';
import { limitsOf, negotiate, type OutputFormat } from './negotiate.ts';
import { requireProducible, typesFor } from './producible.ts';

/** Their answers are not the server's. */
const connecting = new Set(['exec', 'attach', 'portforward', 'proxy']);

/**
 * Nothing is read or written, and no watch begins, whose answer the client could not read.
 * @throws StatusError 406
 */
export function requireAcceptable(context: RequestContext, resource: ServedResource): void {
  const { verb, subresource } = context.info;
  const accept = context.request.header('accept');
  // Who names no form takes the one that there always is.
  if (!accept || connecting.has(subresource)) return;
  if (!resource.isCustom) requireProducible(context, typesFor(context.info));
  const { media } = negotiate(accept, limitsOf(resource));
  if (verb === 'watch' && media === 'yaml')
    throw notAcceptable(
      'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch',
    );
}

/** What depends on the answer, as well. @throws StatusError 400, 406 */
export function requireShowable(request: ApiRequest, answer: ApiResponse): void {
  const accept = request.header('accept');
  if (!accept) return;
  if (answer.type === 'plain') tableFormOf(request, negotiate(accept, { noForms: !answer.columns }));
  else if (answer.type === 'object' || answer.type === 'list' || answer.type === 'watch') {
    if (answer.type !== 'watch') checkForm(accept, answer.resource, { isList: answer.type === 'list' });
    tableFormOf(request, negotiate(accept, limitsOf(answer.resource)));
  }
}

export interface TableForm {
  format: OutputFormat;
  includeObject: IncludeObject;
}

/** @throws StatusError 400 for a bad `includeObject` */
export function tableFormOf({ query }: ApiRequest, format: OutputFormat): TableForm {
  const include = query.get('includeObject') || 'Metadata';
  if (format.as === 'Table' && !['None', 'Metadata', 'Object'].includes(include))
    throw badRequest(
      `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`,
    );
  return { format, includeObject: include as IncludeObject };
}

/** The form of a list is not that of an object. @throws StatusError 406 */
function checkForm(accept: string, resource: ServedResource, { isList }: { isList: boolean }): void {
  if (!accept.includes('PartialObjectMetadata')) return;
  const { as } = negotiate(accept, { noProtobuf: limitsOf(resource).noProtobuf ?? false });
  const wrong = isList ? 'PartialObjectMetadata' : 'PartialObjectMetadataList';
  if (as !== wrong) return;
  const { group, kind, isCustom } = resource;
  const list = isList ? 'List' : '';
  // As Go names the type.
  const type = isCustom
    ? `*unstructured.Unstructured${list}`
    : `*${group.split('.', 1)[0] || 'core'}.${kind}${list}`;
  throw notAcceptable(
    `you requested ${as}, but the requested object is ${isList ? 'a' : 'not a'} list (${type})`,
  );
}
