import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Endpoints, Node, Pod, Service } from '../../../api/resources.gen.ts';
import { seededRandom } from '../../../base/random.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { NodeConnector } from '../../nodes/node-connector.ts';
import { FakeObjects } from '../../object-reader.fake.ts';
import type { RequestContext } from '../../request.ts';
import { serveProxy, targetPath } from './proxy.ts';
import { isProxyable } from './target.ts';

const chunk = `<a href="/x">${'x'.repeat(64 * 1024)}</a>`;

const backend = createServer(async (request, response) => {
  const chunks = /^\/page-(\d+)/.exec(request.url ?? '')?.[1];
  if (request.url?.startsWith('/packed')) {
    response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' });
    return response.end(gzipSync('<a href="/x">'));
  }
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

const objects = new FakeObjects()
  .put(Pod, {
    metadata: { namespace: 'default', name: 'p' },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
    status: { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] },
  })
  .put(Pod, {
    metadata: { namespace: 'default', name: 'loop' },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
    status: { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] },
  })
  .put(Service, {
    metadata: { namespace: 'default', name: 's' },
    spec: { ports: [{ name: 'web', port: 80 }] },
  })
  .put(Service, { metadata: { namespace: 'default', name: 'bare' }, spec: { ports: [{ port: 80 }] } })
  .put(Endpoints, {
    metadata: { namespace: 'default', name: 's' },
    subsets: [
      {
        addresses: [
          { ip: '169.254.169.254' },
          { ip: '10.0.0.7', nodeName: 'n', targetRef: { kind: 'Pod', namespace: 'default', name: 'p' } },
          { ip: '10.0.0.1', nodeName: 'n', targetRef: { kind: 'Pod', namespace: 'default', name: 'p' } },
        ],
        ports: [{ name: 'web', port: 8080 }],
      },
      { addresses: [{ ip: '10.0.0.8' }], ports: [{ name: 'hand', port: 1 }] },
    ],
  })
  .put(Node, {
    metadata: { name: 'n' },
    spec: {},
    status: { addresses: [{ type: 'InternalIP', address: '10.1.0.1' }] },
  });
const options = {
  objects,
  nodes: sparse<NodeConnector>({
    connect: async () => connect(port, '127.0.0.1') as never,
    tunnel: async (...to: unknown[]) => {
      tunnels.push(to.join(' '));
      return connect(port, '127.0.0.1');
    },
  }),
  random: seededRandom(1),
};
const tunnels: string[] = [];
const handler = serveProxy('pods', options);

async function ask(method: string, rest: string, { name = 'p', serve = handler } = {}) {
  const context = sparse<RequestContext>({
    request: { method, search: 'a=b', headers: () => ({}), header: () => undefined },
    info: { name, namespace: 'default', path: `/p/proxy${rest}`, rest },
  });
  const answer = await serve({} as never, context, {} as never);
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

test('a service leads to addresses that its pods have, and to no others', async () => {
  const serve = serveProxy('services', options);
  tunnels.length = 0;
  for (const name of ['s:web', 's:80', 'http:s:web']) {
    for (let round = 0; round < 6; round++)
      assert.deepEqual(await ask('GET', '/x', { serve, name }), [200, 'GET /x?a=b']);
    assert.deepEqual([...new Set(tunnels.splice(0))], ['n 10.0.0.1 8080'], name);
  }
  const rows: [name: string, code: number, message: string][] = [
    ['s:hand', 503, 'no endpoints available for service "s:hand"'],
    ['s', 503, 'no endpoints available for service "s"'],
    ['s:81', 503, 'no service port 81 found for service "s"'],
    ['bare', 404, 'services "bare" not found'],
    ['nope:80', 404, 'services "nope" not found'],
    ['ftp:s:web', 400, 'invalid service request "ftp:s:web"'],
  ];
  for (const [name, code, message] of rows)
    await assert.rejects(async () => ask('GET', '/x', { serve, name }), { code, message });
  assert.deepEqual(tunnels, []);
});

test('a pod leads to no address of the node that carries the connection, and to valid ports', async () => {
  const rows: [name: string, code: number, message: string][] = [
    ['loop', 400, 'address not allowed'],
    ['p:70000', 503, 'error trying to reach service: dial tcp: address 70000: invalid port'],
    ['ftp:p:80', 400, 'invalid pod request "ftp:p:80"'],
  ];
  for (const [name, code, message] of rows)
    await assert.rejects(async () => ask('GET', '/x', { name }), { code, message });
});

test('a node leads to its agent, or to another port of its own', async () => {
  const serve = serveProxy('nodes', options);
  tunnels.length = 0;
  for (const name of ['n', 'n:10250', 'n:9100'])
    assert.deepEqual(await ask('GET', '/x', { serve, name }), [200, 'GET /x?a=b']);
  assert.deepEqual(tunnels, ['n 10.1.0.1 9100']);
});

test('addresses that mean more than one host, or none of a network, are not proxied to', () => {
  const no = [
    '',
    'x',
    '0.0.0.0',
    '127.1.2.3',
    '169.254.169.254',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
  ];
  no.push('0:0::1', 'fe80::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '239.1.1.1');
  for (const address of no) assert.equal(isProxyable(address), false, address);
  for (const address of ['10.0.0.1', '192.0.2.1', 'fd00::1', '2001:db8::1', '::ffff:10.0.0.1'])
    assert.equal(isProxyable(address), true, address);
});

test('methods that are for the API alone are not carried on', async () => {
  await assert.rejects(async () => ask('TRACE', '/x'), { code: 405 });
});

test('paths have single slashes, and escapes only where they need them', () => {
  const rows = [
    ['', '/'],
    ['/', '/'],
    ['/x//y', '/x/y'],
    ['//x/', '/x/'],
    ['/x%2fy', '/x/y'],
    ['/x%20y', '/x%20y'],
    ['/a;b:c@d', '/a;b:c@d'],
    ['/x%0d%0aX', '/x%0D%0AX'],
    ["/a'(b)%3F", '/a%27%28b%29%3F'],
    ['/%zz//', '/%zz//'],
  ] as const;
  for (const [asked, sent] of rows) assert.equal(targetPath(asked), sent, asked);
});

test('a compressed page is unpacked for its links', async () => {
  assert.deepEqual(await ask('GET', '/packed'), [200, '<a href="/p/proxy/x">']);
});

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
    objects,
    nodes: sparse<NodeConnector>({ tunnel }),
    random: seededRandom(1),
    handshakeTimeoutMs: 50,
  });
  const proxied = async (upgrade?: object) => {
    const context = sparse<RequestContext>({
      request: { method: 'GET', search: '', headers: () => ({}), header: () => undefined, upgrade },
      info: { name: 'https:p:443', namespace: 'default', path: '/p/proxy/x', rest: '/x' },
    });
    return await ask({} as never, context, {} as never);
  };
  await assert.rejects(proxied(), {
    code: 503,
    message: 'error trying to reach service: net/http: TLS handshake timeout',
  });
  assert.ok(socket?.destroyed);
  await assert.rejects(proxied({ protocol: 'websocket' }), {
    code: 500,
    reason: '',
    message: 'error dialing backend: net/http: TLS handshake timeout',
  });
  silent.close();
});
