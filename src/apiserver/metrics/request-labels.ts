/**
 * The labels of request metrics, with upstream's names for verbs and scopes. Paths are no label: there must be few
 * values.
 */
import type { RequestContext } from '../request.ts';

export interface RequestLabels {
  verb: string;
  dry_run: string;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  scope: string;
  component: 'apiserver';
}

const verbs: Readonly<Record<string, string>> = { create: 'POST', update: 'PUT' };
const connections = new Set(['attach', 'exec', 'portforward', 'proxy']);
const writes = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

export function requestLabels({ info, request }: Pick<RequestContext, 'info' | 'request'>): RequestLabels {
  const { group, version, resource, subresource } = info;
  const verb = verbOf(info, request);
  return {
    verb,
    dry_run: writes.has(info.verb) && request.search.includes('dryRun=All') ? 'All' : '',
    group,
    version,
    resource,
    subresource,
    scope: scopeOf(info),
    component: 'apiserver',
  };
}

function verbOf(info: RequestContext['info'], request: RequestContext['request']): string {
  if (connections.has(info.subresource)) return 'CONNECT';
  if (info.verb === 'patch' && request.header('content-type')?.startsWith('application/apply-patch'))
    return 'APPLY';
  return verbs[info.verb] ?? info.verb.toUpperCase();
}

function scopeOf({ name, namespace, isResource, verb }: RequestContext['info']): string {
  if (name || verb === 'create') return 'resource';
  if (namespace) return 'namespace';
  return isResource ? 'cluster' : '';
}
