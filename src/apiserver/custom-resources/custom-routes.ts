/**
 * What is not served of custom resources: upstream has no routes for them, but one handler, which refuses in words of its
 * own.
 */
import { badRequest, methodNotSupported } from '../../api/status.ts';
import { pageNotFound } from '../plain-answers.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { ApiResponse, RequestContext } from '../request.ts';

const acrossNamespaces: ReadonlySet<string> = new Set(['list', 'watch']);

/** The answer where a path does not fit the scope of its resource. */
export function outOfScope(
  { info }: RequestContext,
  { namespaced }: ServedResource,
): ApiResponse | undefined {
  const hasNamespace = info.namespace !== '';
  if (namespaced === hasNamespace || (namespaced && acrossNamespaces.has(info.verb))) return undefined;
  return pageNotFound;
}

const ofStatusAndScale: ReadonlySet<string> = new Set(['get', 'update', 'patch']);

/** @throws StatusError 400, 405 */
export function requireCustomVerb({ info }: RequestContext, resource: ServedResource): void {
  const { verb, name, subresource } = info;
  const isKnown = subresource === '' ? resource.verbs.has(verb) : ofStatusAndScale.has(verb);
  if (!isKnown) throw methodNotSupported(resource, verb);
  if (name === '' && (verb === 'update' || verb === 'patch')) throw badRequest('name must be provided');
}
