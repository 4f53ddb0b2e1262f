/** Connections to a pod or a node are admitted first: webhooks and policies see the options of the connection. */

import { asJsonObject, asKubeObject } from '../../api/schema/decode.ts';
import { isTrue } from '../../base/text/query-boolean.ts';
import { writeRequest } from '../registry/request-options.ts';
import type { RequestContext } from '../request.ts';
import type { SubresourceHandler } from './handlers.ts';

export type ConnectKind =
  | 'PodExecOptions'
  | 'PodAttachOptions'
  | 'PodPortForwardOptions'
  | 'PodProxyOptions'
  | 'ServiceProxyOptions'
  | 'NodeProxyOptions';

export function admitted(kind: ConnectKind, handler: SubresourceHandler): SubresourceHandler {
  return async (registry, context, resource) => {
    const asked = asKubeObject(connectOptions(kind, context));
    const admitted = await registry.admission.admitPart({
      operation: 'CONNECT',
      request: writeRequest(context, resource),
      object: asked,
      objectKind: { group: '', version: 'v1', kind },
      old: undefined,
      name: context.info.name,
    });
    if (admitted !== asked) useOptions(context, asJsonObject(admitted));
    return handler(registry, context, resource);
  };
}

/** Connects with the options as admission has changed them. */
function useOptions(context: RequestContext, { path, ...options }: Record<string, unknown>): void {
  if (typeof path === 'string') context.info.rest = path;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) {
    if (name === 'kind' || name === 'apiVersion') continue;
    for (const item of Array.isArray(value) ? value : [value]) query.append(name, String(item));
  }
  context.connectQuery = query;
}

/** The options of a connection as an object, as upstream builds it from the query. */
function connectOptions(
  kind: ConnectKind,
  { info, request: { query } }: RequestContext,
): Record<string, unknown> {
  const head = { kind, apiVersion: 'v1' };
  switch (kind) {
    case 'PodExecOptions':
      return { ...head, ...streamOptions(query), command: query.getAll('command') };
    case 'PodAttachOptions':
      return { ...head, ...streamOptions(query) };
    case 'PodPortForwardOptions': {
      const ports = query.getAll('ports').flatMap((text) => text.split(',').map(Number));
      return { ...head, ...(ports.length > 0 && { ports }) };
    }
    default:
      return { ...head, ...(info.rest && { path: info.rest }) };
  }
}

function streamOptions(query: URLSearchParams): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const name of ['stdin', 'stdout', 'stderr', 'tty']) if (isTrue(query.get(name))) options[name] = true;
  const container = query.get('container');
  return { ...options, ...(container && { container }) };
}
