/** `pods/exec`, `pods/attach` and `pods/portforward`: upgraded connections, relayed to the node byte by byte. */

import type { Duplex, Readable } from 'node:stream';
import type { Pod } from '../../../api/resources.gen.ts';
import { badRequest, forbidden, internalError, methodNotAllowed, StatusError } from '../../../api/status.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import { resourceQuestion } from '../../authorization/authorizer.ts';
import { asksForWebSocket, openWebSocket } from '../../http/response/web-socket-body.ts';
import type { NodeConnector } from '../../nodes/node-connector.ts';
import { relayUpgrade } from '../../outgoing/http-over.ts';
import { dialedForUpgrade, UnreachableError } from '../../outgoing/unreachable.ts';
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
  return relaying(withoutStatus(nodes), (pod, query) => {
    const ports = query.getAll('ports').flatMap((text) => text.split(','));
    const forwarded = new URLSearchParams(ports.map((port): [string, string] => ['port', port]));
    return `/portForward/${podPath(pod)}${ports.length > 0 ? `?${forwarded}` : ''}`;
  });
}

/** The protocol whose streams have one for the outcome, at this number. */
const statusProtocol = 'v5.channel.k8s.io';
const statusChannel = 3;

/** Asks the agent of a node for the upgrade that a client wants. */
type Relay = (context: RequestContext, node: string, path: string) => Promise<ApiResponse>;

/**
 * Clients that speak that protocol have their WebSocket before anybody is dialled, as with upstream, and learn from it
 * what has failed: a refusal would make them try again in another way.
 */
function withStatus(nodes: NodeConnector): Relay {
  const direct = withoutStatus(nodes);
  return async (context, node, path) => {
    const { request } = context;
    const offered = request.header('sec-websocket-protocol') ?? '';
    if (!asksForWebSocket(request) || !offered.includes(statusProtocol))
      return await direct(context, node, path);
    try {
      const answer = await relay(context, await nodes.connect(node), { node, path });
      if (answer.type !== 'stream') return answer;
      return await tell(request, `unable to upgrade connection: ${await refusalOf(answer.body)}`);
    } catch (error) {
      if (request.signal.aborted) throw error;
      const why = error instanceof UnreachableError ? error.why : (error as Error).message;
      if (!(error instanceof StatusError || error instanceof UnreachableError)) throw error;
      return await tell(
        request,
        `error sending request: Post ${JSON.stringify(nodes.urlOf(node) + path)}: ${why}`,
      );
    }
  };
}

function withoutStatus(nodes: NodeConnector): Relay {
  return async (context, node, path) =>
    relay(context, await dialedForUpgrade(() => nodes.connect(node)), { node, path });
}

/** Opens the client's WebSocket, and says over it what has failed. */
async function tell(request: ApiRequest, why: string): Promise<ApiResponse> {
  const { kind: _, apiVersion: __, ...status } = internalError(why).status;
  const out = await openWebSocket(request, { protocols: [statusProtocol], kind: () => 'binary' });
  out.end(Buffer.concat([Buffer.from([statusChannel]), Buffer.from(JSON.stringify(status))]));
  return { type: 'hijacked' };
}

/** A refusal that is longer is cut off. */
const refusalBytesMax = 64 * 1024;

/** What an agent says of a refusal: text, or a Status in JSON. */
async function refusalOf(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > refusalBytesMax) break;
  }
  const text = Buffer.concat(chunks).subarray(0, refusalBytesMax).toString('utf8').trim();
  return messageIn(text) || text || 'empty server response';
}

function messageIn(text: string): string {
  try {
    const { message, error } = (JSON.parse(text) ?? {}) as { message?: unknown; error?: unknown };
    return [message, error].map((said) => (typeof said === 'string' ? said.trim() : '')).find(Boolean) ?? '';
  } catch {
    // It is no JSON: the text itself is the message.
    return '';
  }
}

function relaying(asked: Relay, pathOf: (pod: Pod, query: URLSearchParams) => string): SubresourceHandler {
  return async (registry, context): Promise<ApiResponse> => {
    if (context.info.verb !== 'create' && context.info.verb !== 'get') throw methodNotAllowed();
    if (context.info.verb === 'get') await requireCreate(registry, context);
    const pod = await readPod(registry, context);
    const node = nodeOf(pod);
    const path = pathOf(pod, context.connectQuery ?? context.request.query);
    if (!context.request.upgrade) throw badRequest('Upgrade request required');
    return await asked(context, node, path);
  };
}

/** WebSockets are opened with GET; who may only read must not run commands by them. @throws StatusError 403 */
async function requireCreate({ authorize }: Registry, { info, user }: RequestContext): Promise<void> {
  const { group, version, resource, namespace, name, subresource } = info;
  const asked = { user, verb: 'create', group, version, resource, namespace, name, subresource };
  const { allowed, reason = '' } = await authorize(resourceQuestion(asked));
  if (!allowed) throw forbidden({ group, plural: resource }, name, reason);
}

/** A refusal is the answer. @throws StatusError when there is none */
function relay(
  { request }: RequestContext,
  target: Duplex,
  { node, path }: { node: string; path: string },
): Promise<ApiResponse> {
  const { authorization: _, host: _host, ...headers } = request.headers();
  return relayUpgrade(request.upgrade!, target, {
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
