/**
 * The media types that a path can produce at all: the router refuses other clients before it looks at the forms that
 * they name. It compares media types literally, and of wildcards it knows only the one for everything.
 */
import { StatusError } from '../../../api/status.ts';
import type { RequestContext, RequestInfo } from '../../request.ts';
import { contentTypes } from './negotiate.ts';

const objects: readonly string[] = Object.values(contentTypes);
const streamed = [contentTypes.json, contentTypes.protobuf].map((type) => `${type};stream=watch`);
const lists: readonly string[] = [...objects, ...streamed];
const logs: readonly string[] = ['text/plain', ...objects];

/** Of the discovery documents that the router answers. */
export const objectTypes = objects;

/** Of a request for a built-in kind. */
export function typesFor({ verb, subresource }: RequestInfo): readonly string[] {
  if (verb === 'list' || verb === 'watch') return lists;
  return verb === 'get' && subresource === 'log' ? logs : objects;
}

/** @throws StatusError 406 */
export function requireProducible(
  { request }: Pick<RequestContext, 'request'>,
  types: readonly string[],
): void {
  const accept = request.header('accept') || '*/*';
  if (accept.split(',').some((clause) => isProduced(clause.split(';', 1)[0]!.trim(), types))) return;
  const message = `406: Not Acceptable\n\nAvailable representations: ${types.join(', ')}`;
  throw new StatusError(406, 'NotAcceptable', message, { details: {} });
}

function isProduced(type: string, types: readonly string[]): boolean {
  return type === '*/*' || types.includes(type);
}
