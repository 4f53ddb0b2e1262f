import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { APIService, EndpointSlice, Namespace, Service } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { discoverResources } from '../../client/discovery.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { type ApiServer, createApiServer } from '../server.ts';

suite('aggregated servers', () => {
  let server: ApiServer;
  let client: Client;
  let backend: Server;
  let caBundle: string;
  const metrics = new MetricsRegistry();
  /** What it says that it serves. */
  let served: unknown;
  /** What it answers with. */
  let status = 200;
  let seen: {
    method: string;
    url: string;
    user: unknown;
    groups: unknown;
    headers: IncomingHttpHeaders;
    body: string;
  }[] = [];

  before(async () => {
    // Of the same name as the certificate, as servers that make their own authority have it.
    const authority = await createAuthority('backend');
    caBundle = Buffer.from(authority.cert).toString('base64');
    const pair = await issueCertificate(authority, {
      commonName: 'backend',
      usages: ['server'],
      dnsNames: ['flunders.shop.svc'],
    });
    backend = createServer(pair, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        const body = Buffer.concat(chunks).toString();
        seen.push({
          method,
          url,
          user: headers['x-remote-user'],
          groups: headers['x-remote-group'],
          headers,
          body,
        });
        served ??= [
          {
            name: 'flunders',
            singularName: 'flunder',
            namespaced: true,
            kind: 'Flunder',
            verbs: ['get', 'list', 'create'],
          },
          {
            name: 'flunders/scale',
            singularName: '',
            namespaced: true,
            group: 'autoscaling',
            version: 'v1',
            kind: 'Scale',
            verbs: ['get'],
          },
        ];
        const answer = url.startsWith('/apis/wardle.example.com/v1/')
          ? { kind: 'FlunderList', apiVersion: 'wardle.example.com/v1', metadata: {}, items: [] }
          : { kind: 'APIResourceList', groupVersion: 'wardle.example.com/v1', resources: served };
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    }).listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const { port } = backend.address() as AddressInfo;
    server = await createApiServer({
      store: createMemoryStore(),
      clock: systemClock,
      random: seededRandom(9),
      logger: silentLogger,
      metrics,
      dialService: async () => connect(port, '127.0.0.1'),
    });
    client = createClient(server.localTransport({ name: 'ann', groups: ['system:masters', 'a'] }));
    await client.create(Namespace, { metadata: { name: 'shop' }, spec: {} });
  });
  after(async () => {
    await server.close();
    backend.closeAllConnections();
    backend.close();
  });

  async function availabilityOf(name: string, status: string): Promise<string> {
    for await (const event of client.watch(APIService, {}, AbortSignal.timeout(15_000))) {
      if (event.object.metadata.name !== name) continue;
      const found = event.object.status?.conditions?.find(({ type }) => type === 'Available');
      if (found?.status === status) return found.reason ?? '';
    }
    throw new Error(`${name} did not become Available=${status}`);
  }

  /** What aggregated discovery says of the group's version. */
  async function discovered(): Promise<unknown> {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList, application/json';
    const answer = await server
      .localTransport({ name: 'ann', groups: ['system:masters'] })
      .send({ method: 'GET', path: '/apis', accept });
    assert.ok('object' in answer);
    const { items } = answer.object as {
      items: { metadata: { name: string }; versions: unknown[] }[];
    };
    return items.find(({ metadata }) => metadata.name === 'wardle.example.com')?.versions[0];
  }

  test('an APIService without its service is not available, and says why; requests are answered 503', async () => {
    await client.create(APIService, {
      metadata: { name: 'v1.wardle.example.com' },
      spec: {
        group: 'wardle.example.com',
        version: 'v1',
        groupPriorityMinimum: 2000,
        versionPriority: 10,
        caBundle,
        service: { namespace: 'shop', name: 'flunders' },
      },
    });
    assert.equal(await availabilityOf('v1.wardle.example.com', 'False'), 'ServiceNotFound');
    await assert.rejects(client.raw('GET', '/apis/wardle.example.com/v1/flunders'), { code: 503 });
    assert.deepEqual(await discovered(), { version: 'v1', freshness: 'Stale' });
    const { failures } = await discoverResources(client);
    assert.deepEqual(
      [...failures.keys()],
      ['wardle.example.com/v1'],
      'namespaces wait for what they may hold there',
    );
  });

  test('once its endpoints are there it is asked, discovered, and given requests with the caller’s identity', async () => {
    const metadata = { namespace: 'shop', name: 'flunders' };
    await client.create(Service, { metadata, spec: { ports: [{ port: 443, protocol: 'TCP' }] } });
    await client.create(EndpointSlice, {
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'flunders' } },
      addressType: 'IPv4',
      ports: [{ port: 8443, protocol: 'TCP', name: '' }],
      endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: true } }],
    });
    assert.equal(await availabilityOf('v1.wardle.example.com', 'True'), 'Passed');
    const groups = await client.raw<{ groups: { name: string }[] }>('GET', '/apis');
    assert.ok(groups.groups.some(({ name }) => name === 'wardle.example.com'));
    const names = groups.groups.map(({ name }) => name);
    assert.ok(names.indexOf('wardle.example.com') > names.indexOf('storagemigration.k8s.io'));
    assert.ok(names.indexOf('wardle.example.com') < names.indexOf('metrics.k8s.io'));
    seen = [];
    const list = await client.raw<{ kind: string }>(
      'GET',
      '/apis/wardle.example.com/v1/namespaces/shop/flunders?limit=5',
    );
    assert.equal(list.kind, 'FlunderList');
    await client.raw('POST', '/apis/wardle.example.com/v1/namespaces/shop/flunders', { kind: 'Flunder' });
    const [get, post] = seen.filter(({ url }) => url.includes('/namespaces/'));
    assert.deepEqual(
      [get?.method, get?.url, get?.user, get?.groups],
      [
        'GET',
        '/apis/wardle.example.com/v1/namespaces/shop/flunders?limit=5',
        'ann',
        'system:masters, a, system:authenticated',
      ],
    );
    assert.deepEqual(JSON.parse(post!.body), { kind: 'Flunder' });
    assert.match(String(post?.headers['audit-id']), /^[0-9a-f-]{36}$/);
    assert.equal(post?.headers['x-forwarded-uri'], '/apis/wardle.example.com/v1/namespaces/shop/flunders');
    const responseKind = { group: '', version: '', kind: 'Flunder' };
    assert.deepEqual(await discovered(), {
      version: 'v1',
      resources: [
        {
          resource: 'flunders',
          responseKind,
          scope: 'Namespaced',
          singularResource: 'flunder',
          verbs: ['get', 'list', 'create'],
          subresources: [
            {
              subresource: 'scale',
              responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
              verbs: ['get'],
            },
          ],
        },
      ],
      freshness: 'Current',
    });
  });

  test('a server that lists nonsense is not available, and nobody else’s discovery suffers from it', async () => {
    const good = served;
    for (const nonsense of [{}, [null], [{ name: 'flunders' }], [{ name: 1, kind: 'F', verbs: ['get'] }]]) {
      served = nonsense;
      assert.equal(await availabilityOf('v1.wardle.example.com', 'False'), 'FailedDiscoveryCheck');
      const { groups } = await client.raw<{ groups: { name: string }[] }>('GET', '/apis');
      assert.ok(groups.some(({ name }) => name === 'apps'));
      served = good;
      assert.equal(await availabilityOf('v1.wardle.example.com', 'True'), 'Passed');
    }
  });

  test('a server that answers with an error is not available, and what it served last is known to be stale', async () => {
    status = 500;
    assert.equal(await availabilityOf('v1.wardle.example.com', 'False'), 'FailedDiscoveryCheck');
    const { status: state } = await client.get(APIService, { name: 'v1.wardle.example.com' });
    const { spec } = await client.get(Service, { namespace: 'shop', name: 'flunders' });
    const url = `https://${spec?.clusterIP}:443/apis/wardle.example.com/v1`;
    assert.equal(
      state?.conditions?.[0]?.message,
      `failing or missing response from ${url}: bad status from ${url}: 500`,
    );
    const { freshness, resources } = (await discovered()) as { freshness: string; resources: unknown[] };
    assert.deepEqual([freshness, resources.length], ['Stale', 1]);
    status = 200;
    assert.equal(await availabilityOf('v1.wardle.example.com', 'True'), 'Passed');
  });

  test('a server that was there and then not is counted once, with the reason', async () => {
    await client.delete(Service, { namespace: 'shop', name: 'flunders' });
    assert.equal(await availabilityOf('v1.wardle.example.com', 'False'), 'ServiceNotFound');
    const line =
      /^aggregator_unavailable_apiservice_total\{name="v1.wardle.example.com",reason="ServiceNotFound"\} 1$/m;
    // The condition is seen before the write that made it has ended.
    for (let look = 0; look < 100 && !line.test(metrics.expose()); look++) await systemClock.sleep(20);
    assert.match(metrics.expose(), line);
    assert.match(metrics.expose(), /^aggregator_unavailable_apiservice\{name="v1.wardle.example.com"\} 1$/m);
  });

  test('of an APIService that takes the place of a deleted one, it is not known what is served', async () => {
    const { metadata, spec } = await client.get(APIService, { name: 'v1.wardle.example.com' });
    await client.delete(APIService, metadata);
    await client.create(APIService, { metadata: { name: metadata.name }, spec });
    assert.deepEqual(await discovered(), { version: 'v1', freshness: 'Stale' });
  });

  test('every group version of the server itself has a local APIService', async () => {
    assert.equal(await availabilityOf('v1.apps', 'True'), 'Local');
    const { items } = await client.list(APIService);
    assert.ok(items.some(({ metadata }) => metadata.name === 'v1.'));
  });
});
