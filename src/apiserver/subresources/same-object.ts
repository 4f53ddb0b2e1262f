/**
 * Subresources that return the same object and change one part of it (`status`, `approval`, `resize` …). The kind's
 * file defines which part.
 */
import { methodNotAllowed } from '../../api/status.ts';
import { serveResource } from '../registry/verbs.ts';
import type { SubresourceHandler } from './handlers.ts';

export function serveSameObject(verbs: readonly string[]): SubresourceHandler {
  return (registry, context, resource) => {
    if (!verbs.includes(context.info.verb)) throw methodNotAllowed();
    return serveResource(registry, context, resource);
  };
}
