/** `pods/exec`, `pods/attach` and `pods/portforward`: upgraded connections, relayed to the node byte by byte. */

import type { Pod } from '../../../api/resources.gen.ts';
import { badRequest, forbidden, methodNotAllowed } from '../../../api/status.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import { resourceQuestion } from '../../authorization/authorizer.ts';
import { relayUpgrade } from '../../nodes/http-over.ts';
import type { NodeConnector } from '../../nodes/node-connector.ts';
import { dialedForUpgrade } from '../../nodes/unreachable.ts';
import type { Registry } from '../../registry/registry.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { SubresourceHandler } from '../handlers.ts';
import { containerOf, nodeOf, readPod } from './pod-target.ts';

/** The agent's names for the streams of exec and attach. */
const streamParameters: readonly (readonly [string, string])[] = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
];

export function serveExec(nodes: NodeConnector): SubresourceHandler {
  return relaying(nodes, (pod, query) => {
    const container = containerOf(pod, query.get('container'));
    const forwarded = streamQuery(query);
    for (const argument of query.getAll('command')) forwarded.append('command', argument);
    return `/exec/${podPath(pod)}/${container}?${forwarded}`;
  });
}

export function serveAttach(nodes: NodeConnector): SubresourceHandler {
  return relaying(
    nodes,
    (pod, query) =>
      `/attach/${podPath(pod)}/${containerOf(pod, query.get('container'))}?${streamQuery(query)}`,
  );
}

export function servePortForward(nodes: NodeConnector): SubresourceHandler {
  return relaying(nodes, (pod, query) => {
    const ports = query.getAll('ports').flatMap((text) => text.split(','));
    const forwarded = new URLSearchParams(ports.map((port): [string, string] => ['port', port]));
    return `/portForward/${podPath(pod)}${ports.length > 0 ? `?${forwarded}` : ''}`;
  });
}

function relaying(
  nodes: NodeConnector,
  pathOf: (pod: Pod, query: URLSearchParams) => string,
): SubresourceHandler {
  return async (registry, context): Promise<ApiResponse> => {
    if (context.info.verb !== 'create' && context.info.verb !== 'get') throw methodNotAllowed();
    if (context.info.verb === 'get') await requireCreate(registry, context);
    const pod = await readPod(registry, context);
    const node = nodeOf(pod);
    const path = pathOf(pod, context.connectQuery ?? context.request.query);
    return relay(nodes, context, node, path);
  };
}

/** WebSockets are opened with GET; who may only read must not run commands by them. @throws StatusError 403 */
async function requireCreate({ authorize }: Registry, { info, user }: RequestContext): Promise<void> {
  const { group, version, resource, namespace, name, subresource } = info;
  const asked = { user, verb: 'create', group, version, resource, namespace, name, subresource };
  const { allowed, reason = '' } = await authorize(resourceQuestion(asked));
  if (!allowed) throw forbidden({ group, plural: resource }, name, reason);
}

async function relay(
  nodes: NodeConnector,
  { request }: RequestContext,
  node: string,
  path: string,
): Promise<ApiResponse> {
  const { upgrade } = request;
  if (!upgrade) throw badRequest('Upgrade request required');
  const target = await dialedForUpgrade(() => nodes.connect(node));
  const { authorization: _, host: _host, ...headers } = request.headers();
  return relayUpgrade(upgrade, target, {
    method: request.method,
    path,
    headers: { host: node, ...headers },
    signal: request.signal,
  });
}

function streamQuery(query: URLSearchParams): URLSearchParams {
  const forwarded = new URLSearchParams();
  for (const [from, to] of streamParameters) if (isTrue(query.get(from))) forwarded.set(to, '1');
  return forwarded;
}

function podPath(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
