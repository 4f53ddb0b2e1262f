/** The status subresource: the same object, of which a write changes the status alone. */
import { methodNotSupported } from '../../api/status.ts';
import { serveResource } from '../registry/verbs.ts';
import type { SubresourceHandler } from './handlers.ts';

export const statusVerbs: readonly string[] = ['get', 'patch', 'update'];

export const serveStatus: SubresourceHandler = (registry, context, resource) => {
  if (!statusVerbs.includes(context.info.verb)) throw methodNotSupported(resource, context.info.verb);
  return serveResource(registry, context, resource);
};
