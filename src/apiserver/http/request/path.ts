/** What a path and a method ask for: the grammar of `/api/v1/…` and `/apis/GROUP/VERSION/…`, parsed by hand. */

import { parseFieldSelector } from '../../../api/selectors/selectors.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import type { RequestInfo } from '../../request.ts';

const verbOfMethod: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Subresources whose path continues with a path of the target. */
const proxied = new Set(['proxy']);

/** Parts of a namespace object's path that are its subresources, not resources inside of it. */
const namespaceSubresources = new Set(['status', 'finalize']);

/** `path`: without query, decoded where a segment needs it. */
export function parsePath(method: string, path: string, query: URLSearchParams): RequestInfo {
  const info: RequestInfo = {
    verb: method.toLowerCase(),
    isResource: false,
    path,
    group: '',
    version: '',
    resource: '',
    namespace: '',
    name: '',
    subresource: '',
    rest: '',
  };
  const parts = path.split('/');
  const at = takeGroupVersion(parts, info);
  if (at === undefined || parts[at] === '' || parts[at] === undefined) return info;
  info.isResource = true;
  info.verb = verbOfMethod[method] ?? '';
  // The deprecated form of watches, before the resource: `/api/v1/watch/pods`.
  const isWatchPath = parts[at] === 'watch' && parts.length > at + 1;
  takeResource(parts.slice(isWatchPath ? at + 1 : at), info);
  // Independent of the method: the path decides.
  info.verb = isWatchPath ? 'watch' : refineVerb(info, query);
  return info;
}

/** Returns where in `parts` the rest begins; undefined for a path that is about no group version. */
function takeGroupVersion(parts: readonly string[], info: RequestInfo): number | undefined {
  // parts[0] is the empty part before the leading slash.
  if (parts[1] === 'api' && parts.length > 3 && parts[2] !== '') {
    info.version = parts[2]!;
    return 3;
  }
  if (parts[1] === 'apis' && parts.length > 4 && parts[2] !== '' && parts[3] !== '') {
    info.group = parts[2]!;
    info.version = parts[3]!;
    return 4;
  }
  return undefined;
}

/** `[namespaces NAMESPACE] RESOURCE [NAME [SUBRESOURCE [REST…]]]` */
function takeResource(parts: readonly string[], info: RequestInfo): void {
  let at = 0;
  // `namespaces//pods`, as clients write it that were given no namespace.
  if (parts[0] === 'namespaces' && parts[1] === '' && parts.length > 2) at = 2;
  else if (parts[0] === 'namespaces' && parts.length > 1 && parts[1] !== '') {
    const isNamespaceItself =
      parts.length === 2 || parts[2] === '' || (parts.length === 3 && namespaceSubresources.has(parts[2]!));
    info.namespace = segment(parts[1]!);
    if (!isNamespaceItself) at = 2;
  }
  info.resource = parts[at] ?? '';
  info.name = segment(parts[at + 1] ?? '');
  info.subresource = parts[at + 2] ?? '';
  if (proxied.has(info.subresource)) {
    const rest = parts.slice(at + 3);
    info.rest = rest.length > 0 ? `/${rest.join('/')}` : '';
  } else if (parts.length > at + 3 && parts[at + 3] !== '') {
    // Deeper paths name nothing; the subresource that they would need does not exist.
    info.subresource = parts.slice(at + 2).join('/');
  }
}

/**
 * The object that a request may concern, for authorization: lists and watches that select one name by
 * `metadata.name=NAME` are about that object alone, which is how a node follows the ConfigMaps of its pods.
 */
export function authorizedName(info: RequestInfo, query: URLSearchParams): string {
  if (info.name !== '' || !['list', 'watch', 'deletecollection'].includes(info.verb)) return info.name;
  const text = query.get('fieldSelector');
  if (!text) return '';
  try {
    return parseFieldSelector(text).requiredValue('metadata.name') ?? '';
  } catch {
    return ''; // what cannot be read selects nothing; the list itself answers 400
  }
}

function refineVerb(info: RequestInfo, query: URLSearchParams): string {
  if (info.name !== '') {
    // Also with `watch`, which is a parameter of lists.
    return info.verb;
  }
  if (info.verb === 'get') return isTrue(query.get('watch')) ? 'watch' : 'list';
  if (info.verb === 'delete') return 'deletecollection';
  return info.verb;
}

function segment(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not a valid escape: taken literally, and no name allows a percent sign
  }
}
