/** How resources are addressed: the paths and queries of requests. */
import { apiVersionOf, type ResourceType } from '../../api/meta.ts';

/** `/api/v1` or `/apis/<group>/<version>`. */
export function groupVersionPath(type: { group: string; version: string }): string {
  return type.group === '' ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
}

/** Path of a collection (no `name`), an object, or its subresource. */
export function resourcePath(
  type: ResourceType,
  at: { namespace?: string; name?: string; subresource?: string },
): string {
  let path = groupVersionPath(type);
  if (type.namespaced && at.namespace) path += `/namespaces/${encodeURIComponent(at.namespace)}`;
  path += `/${type.plural}`;
  if (at.name !== undefined) path += `/${encodeURIComponent(at.name)}`;
  if (at.subresource) path += `/${at.subresource}`;
  return path;
}

/** `?a=1&b=2` of what is set, or ''. */
export function queryString(query: Record<string, string | number | boolean | undefined>): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== '' && value !== false)
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
