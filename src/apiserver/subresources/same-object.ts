/**
 * Subresources that show the same object and let a write change one part of it (`status`, `approval`, `resize` …).
 * Which part it is, the kind's file says.
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
