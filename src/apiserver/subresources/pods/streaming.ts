/** `pods/exec`, `pods/attach` and `pods/portforward`: upgraded connections, relayed to the node byte by byte. */

import type { Duplex } from 'node:stream';
import type { Pod } from '../../../api/resources.gen.ts';
import { badRequest, forbidden, internalError, methodNotAllowed } from '../../../api/status.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import { resourceQuestion } from '../../authorization/authorizer.ts';
import { asksForWebSocket, openWebSocket } from '../../http/response/web-socket-body.ts';
import { relayUpgrade } from '../../nodes/http-over.ts';
import type { NodeConnector } from '../../nodes/node-connector.ts';
import { dialedForUpgrade, UnreachableError } from '../../nodes/unreachable.ts';
import type { Registry } from '../../registry/registry.ts';
import type { ApiRequest, ApiResponse, RequestContext } from '../../request.ts';
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
  return relaying(withStatus(nodes), (pod, query) => {
    const container = containerOf(pod, query.get('container'));
    const forwarded = streamQuery(query);
    for (const argument of query.getAll('command')) forwarded.append('command', argument);
    forwarded.sort();
    return `/exec/${podPath(pod)}/${container}?${forwarded}`;
  });
}

export function serveAttach(nodes: NodeConnector): SubresourceHandler {
  return relaying(
    withStatus(nodes),
    (pod, query) =>
      `/attach/${podPath(pod)}/${containerOf(pod, query.get('container'))}?${streamQuery(query)}`,
  );
}

export function servePortForward(nodes: NodeConnector): SubresourceHandler {
  const dial = (_: ApiRequest, node: string) => dialedForUpgrade(() => nodes.connect(node));
  return relaying(dial, (pod, query) => {
    const ports = query.getAll('ports').flatMap((text) => text.split(','));
    const forwarded = new URLSearchParams(ports.map((port): [string, string] => ['port', port]));
    return `/portForward/${podPath(pod)}${ports.length > 0 ? `?${forwarded}` : ''}`;
  });
}

/** A connection to the agent of a node; 'answered' when the client has been told why there is none. */
type Dial = (request: ApiRequest, node: string, path: string) => Promise<Duplex | 'answered'>;

/** The protocol whose streams have one for the outcome, at this number. */
const statusProtocol = 'v5.channel.k8s.io';
const statusChannel = 3;

/**
 * Clients that speak that protocol have their WebSocket before anybody is dialled, as with upstream, and learn from it
 * what has failed: a refusal would make them try again in another way.
 */
function withStatus(nodes: NodeConnector): Dial {
  return async (request, node, path) => {
    const offered = request.header('sec-websocket-protocol') ?? '';
    if (!asksForWebSocket(request) || !offered.includes(statusProtocol))
      return await dialedForUpgrade(() => nodes.connect(node));
    try {
      return await nodes.connect(node);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const url = JSON.stringify(nodes.urlOf(node) + path);
      const {
        kind: _,
        apiVersion: __,
        ...status
      } = internalError(`error sending request: Post ${url}: ${error.why}`).status;
      const out = await openWebSocket(request, { protocols: [statusProtocol], kind: () => 'binary' });
      out.end(Buffer.concat([Buffer.from([statusChannel]), Buffer.from(JSON.stringify(status))]));
      return 'answered';
    }
  };
}

function relaying(dial: Dial, pathOf: (pod: Pod, query: URLSearchParams) => string): SubresourceHandler {
  return async (registry, context): Promise<ApiResponse> => {
    if (context.info.verb !== 'create' && context.info.verb !== 'get') throw methodNotAllowed();
    if (context.info.verb === 'get') await requireCreate(registry, context);
    const pod = await readPod(registry, context);
    const node = nodeOf(pod);
    const path = pathOf(pod, context.connectQuery ?? context.request.query);
    return relay(dial, context, node, path);
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
  dial: Dial,
  { request }: RequestContext,
  node: string,
  path: string,
): Promise<ApiResponse> {
  const { upgrade } = request;
  if (!upgrade) throw badRequest('Upgrade request required');
  const target = await dial(request, node, path);
  if (target === 'answered') return { type: 'hijacked' };
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
