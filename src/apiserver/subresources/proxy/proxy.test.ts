import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { NodeConnector } from '../../nodes/node-connector.ts';
import type { ObjectReader } from '../../object-reader.ts';
import type { RequestContext } from '../../request.ts';
import { serveProxy } from './proxy.ts';

const chunk = `<a href="/x">${'x'.repeat(64 * 1024)}</a>`;

const backend = createServer(async (request, response) => {
  const chunks = /^\/page-(\d+)/.exec(request.url ?? '')?.[1];
  if (!chunks) return response.end(`${request.method} ${request.url}`);
  // In pieces, so that its length is not known in advance.
  response.setHeader('content-type', 'text/html');
  for (let count = 0; count < Number(chunks); count++)
    if (!response.write(chunk)) await once(response, 'drain');
  return response.end();
});
backend.listen(0, '127.0.0.1');
await once(backend, 'listening');
after(() => backend.close());
const { port } = backend.address() as AddressInfo;

const pod = { spec: { nodeName: 'n', containers: [{ name: 'c' }] }, status: { podIP: '10.0.0.1' } };
const handler = serveProxy('pods', {
  objects: sparse<ObjectReader>({ get: () => pod }),
  nodes: sparse<NodeConnector>({ tunnel: async () => connect(port, '127.0.0.1') }),
  random: seededRandom(1),
});

async function ask(method: string, rest: string) {
  const context = sparse<RequestContext>({
    request: { method, search: 'a=b', headers: () => ({}), header: () => undefined },
    info: { name: 'p', namespace: 'default', path: `/p/proxy${rest}`, rest },
  });
  const answer = await handler({} as never, context, {} as never);
  if (answer.type === 'raw') return [answer.status, answer.headers?.location ?? String(answer.body)];
  assert.equal(answer.type, 'stream');
  const chunks: Buffer[] = [];
  for await (const chunk of (answer as { body: AsyncIterable<Buffer> }).body) chunks.push(chunk);
  return [(answer as { status: number }).status, Buffer.concat(chunks).toString()];
}

for (const method of ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'PUT']) {
  test(`a ${method} to the proxy itself goes to the root of what it proxies`, async () => {
    assert.deepEqual(await ask(method, ''), [200, `${method} /?a=b`]);
  });
}

for (const method of ['GET', 'HEAD']) {
  test(`a ${method} of the proxy itself is sent to the path with a slash`, async () => {
    assert.deepEqual(await ask(method, ''), [301, '/p/proxy/?a=b']);
    assert.deepEqual(await ask(method, '/x'), [200, method === 'HEAD' ? '' : 'GET /x?a=b']);
  });
}

test('links of a page are rewritten, and a page of unknown length that grows too large passes as it is', async () => {
  const [, small] = await ask('GET', '/page-2');
  assert.equal(small, chunk.replace('/x', '/p/proxy/x').repeat(2));
  const [, large] = await ask('GET', '/page-80');
  assert.equal(large, chunk.repeat(80));
});

test('a pod that takes a secure connection and says nothing is not waited for', {
  timeout: 5_000,
}, async () => {
  const silent = createTcpServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  let socket: Socket | undefined;
  const tunnel = async () => {
    socket = connect((silent.address() as AddressInfo).port, '127.0.0.1');
    return socket;
  };
  const ask = serveProxy('pods', {
    objects: sparse<ObjectReader>({ get: () => pod }),
    nodes: sparse<NodeConnector>({ tunnel }),
    random: seededRandom(1),
    handshakeTimeoutMs: 50,
  });
  const context = sparse<RequestContext>({
    request: { method: 'GET', search: '', headers: () => ({}), header: () => undefined },
    info: { name: 'https:p:443', namespace: 'default', path: '/p/proxy/x', rest: '/x' },
  });
  await assert.rejects(async () => ask({} as never, context, {} as never), {
    code: 503,
    message: 'error trying to reach service: net/http: TLS handshake timeout',
  });
  assert.ok(socket?.destroyed);
  silent.close();
});
