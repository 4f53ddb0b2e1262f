/** `pods/log`: a container's output, as its node has it. */
import type { IncomingMessage } from 'node:http';
import { badRequest, invalid, methodNotAllowed, StatusError } from '../../../api/status.ts';
import { type FieldError, forbiddenField, invalidValue } from '../../../api/validation/field-error.ts';
import type { NodeConnector } from '../../nodes/node-connector.ts';
import { exchange } from '../../outgoing/http-over.ts';
import { UnreachableError } from '../../outgoing/unreachable.ts';
import { numberOf } from '../../registry/request-options.ts';
import type { SubresourceHandler } from '../handlers.ts';
import { containerOf, nodeOf, readPod } from './pod-target.ts';

/** Options that the node's agent understands, passed on unchanged. */
const passedOn = [
  'follow',
  'previous',
  'sinceSeconds',
  'sinceTime',
  'timestamps',
  'tailLines',
  'limitBytes',
  'stream',
];
const errorBytesMax = 64 * 1024;

export function serveLog(nodes: NodeConnector): SubresourceHandler {
  return async (registry, context) => {
    const { request, info } = context;
    if (info.verb !== 'get') throw methodNotAllowed();
    checkOptions(info.name, request.query);
    const pod = await readPod(registry, context);
    const container = containerOf(pod, request.query.get('container'));
    if (!pod.spec?.nodeName) return { type: 'raw', status: 204, contentType: 'text/plain', body: '' };
    const node = nodeOf(pod);
    const query = new URLSearchParams();
    for (const name of passedOn) {
      const value = request.query.get(name);
      if (value !== null && value !== '') query.set(name, value);
    }
    query.sort();
    const { namespace = '', name } = pod.metadata;
    const path = `/containerLogs/${namespace}/${name}/${container}${query.size > 0 ? `?${query}` : ''}`;
    const answer = await askNode(nodes, node, { path, signal: request.signal });
    if (answer.statusCode !== 200) {
      const text = await readText(answer);
      throw answer.statusCode === 404 || answer.statusCode === 400
        ? badRequest(text)
        : new StatusError(500, 'InternalError', text || `the node answered ${answer.statusCode}`, {
            details: {},
          });
    }
    return { type: 'stream', status: 200, headers: { 'content-type': 'text/plain' }, body: answer };
  };
}

/** @throws StatusError 404, 500: as upstream, which has no reason for what its HTTP client says */
async function askNode(
  nodes: NodeConnector,
  node: string,
  { path, signal }: { path: string; signal: AbortSignal },
): Promise<IncomingMessage> {
  try {
    const socket = await nodes.connect(node);
    return await exchange(socket, { method: 'GET', path, headers: { host: node }, signal });
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    const url = JSON.stringify(nodes.urlOf(node) + path);
    throw new StatusError(500, '', `Get ${url}: ${error.why}`, { cause: error });
  }
}

async function readText(answer: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    size += chunk.length;
    if (size > errorBytesMax) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString().trim();
}

/** @throws StatusError 400, 422 */
function checkOptions(name: string, query: URLSearchParams): void {
  const errors: FieldError[] = [];
  const check = (field: string, min: number) => {
    const value = numberOf(query, field);
    if (value !== undefined && value < min)
      errors.push(
        invalidValue(
          field,
          value,
          min === 0 ? 'must be greater than or equal to 0' : 'must be greater than 0',
        ),
      );
  };
  check('tailLines', 0);
  check('limitBytes', 1);
  check('sinceSeconds', 1);
  if (query.get('sinceSeconds') && query.get('sinceTime'))
    errors.push(forbiddenField('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  if (errors.length > 0) throw invalid({ group: '', kind: 'PodLogOptions' }, name, errors);
}
