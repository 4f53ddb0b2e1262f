import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  EndpointSlice,
  Endpoints,
  Event,
  Namespace,
  Pod,
  ResourceQuota,
  Service,
} from '../../src/api/resources.gen.ts';
import { undefinedIfNotFound } from '../../src/api/status.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';
import type { Transport } from '../../src/client/transport/transport.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { Gate } from './gate.ts';

const serviceIn = (namespace: string, finalizers: string[] = []) =>
  ({
    metadata: { name: 'web', namespace, finalizers },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  }) as Draft<Service>;

async function slicesOf(cluster: Cluster, namespace: string) {
  return (await cluster.client.list(EndpointSlice, { namespace })).items;
}

test('addresses that cannot be created again in a namespace that is being deleted are not retried, and cause no event', async () => {
  const namespace = 'going';
  const refused: string[] = [];
  const noteRefusals = (transport: Transport): Transport => ({
    async send(request) {
      const response = await transport.send(request);
      if (request.method === 'POST' && response.status === 403)
        refused.push(request.path.split('/').at(-1)!.split('?')[0]!);
      return response;
    },
    close: () => transport.close(),
  });
  await using cluster = await createCluster({ nodes: 0, wrapTransport: noteRefusals });
  const { client, clock } = cluster;
  await client.create(Namespace, { metadata: { name: namespace }, spec: {}, status: {} } as Draft<Namespace>);
  await client.create(Service, serviceIn(namespace, ['example.com/held']));
  await cluster.until(async () => (await slicesOf(cluster, namespace)).length === 1);
  await client.delete(Namespace, { name: namespace });
  await cluster.until(async () => (await slicesOf(cluster, namespace)).length === 0);
  await clock.advance(120_000);
  const { metadata } = await client.get(Service, { name: 'web', namespace });
  assert.ok(metadata.deletionTimestamp, 'the Service is held');
  assert.ok(refused.length <= 2, `tried once each at most: ${refused}`);
  const reasons = (await client.list(Event, { namespace })).items.map(({ reason }) => reason);
  assert.deepEqual(reasons, []);
});

test('addresses that the server refuses cause events', async () => {
  const namespace = 'default';
  await using cluster = await createCluster({ nodes: 0 });
  const { client } = cluster;
  const hard = { 'count/endpoints': '0', 'count/endpointslices.discovery.k8s.io': '0' };
  await client.create(ResourceQuota, {
    metadata: { name: 'none', namespace },
    spec: { hard },
  } as Draft<ResourceQuota>);
  await cluster.until(async () => {
    const { status } = await client.get(ResourceQuota, { name: 'none', namespace });
    return Object.keys(status?.used ?? {}).length === 2;
  });
  await client.create(Service, serviceIn(namespace));
  const reasons = async () =>
    (await client.list(Event, { namespace })).items.map(({ involvedObject, reason, message }) =>
      [involvedObject.kind, reason, message?.replace(/web-\w+/, 'web-ID')].join(': '),
    );
  await cluster.until(async () => (await reasons()).length >= 2);
  const quota = (resource: string) =>
    `exceeded quota: none, requested: count/${resource}=1, used: count/${resource}=0, limited: count/${resource}=0`;
  assert.deepEqual((await reasons()).sort(), [
    `Endpoints: FailedToCreateEndpoint: Failed to create endpoint for service default/web: endpoints "web" is forbidden: ${quota('endpoints')}`,
    'Service: FailedToUpdateEndpointSlices: Error updating Endpoint Slices for Service default/web: failed to create EndpointSlice ' +
      `for Service default/web: endpointslices.discovery.k8s.io "web-ID" is forbidden: ${quota('endpointslices.discovery.k8s.io')}`,
  ]);
});

test('a deleted slice is replaced even while a finalizer keeps it', async () => {
  const namespace = 'default';
  await using cluster = await createCluster({ nodes: 0 });
  const { client } = cluster;
  await client.create(Service, serviceIn(namespace));
  await cluster.until(async () => (await slicesOf(cluster, namespace)).some(isOfWeb));
  const held = (await slicesOf(cluster, namespace)).find(isOfWeb)!.metadata;
  const finalizers = ['example.com/held'];
  await client.patch(EndpointSlice, held, { metadata: { finalizers } }, { type: 'merge' });
  await client.delete(EndpointSlice, held);
  await cluster.until(async () => {
    const slices = (await slicesOf(cluster, namespace)).filter(isOfWeb);
    return slices.some(({ metadata }) => metadata.uid !== held.uid);
  });
});

function isOfWeb({ metadata }: EndpointSlice): boolean {
  return metadata.name.startsWith('web-');
}

test('a pod leaves its Service within a second of failing its readiness probe, and is back as soon as it passes', async () => {
  const namespace = 'default';
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(Service, serviceIn(namespace));
  await client.create(Pod, {
    metadata: { name: 'web', namespace, labels: { app: 'web' } },
    spec: {
      containers: [
        {
          name: 'c',
          image: 'web:1',
          readinessProbe: { exec: { command: ['check'] }, periodSeconds: 1, failureThreshold: 1 },
        },
      ],
    },
  });
  const isReady = async () =>
    (await slicesOf(cluster, namespace)).flatMap(({ endpoints }) => endpoints ?? [])[0]?.conditions?.ready;
  await cluster.until(async () => (await isReady()) === true);
  const { status } = await client.get(Pod, { name: 'web', namespace });
  const id = status!.containerStatuses![0]!.containerID!.replace(/^\w+:\/\//, '');
  for (const healthy of [false, true]) {
    const startMs = clock.now();
    cluster.nodes[0]!.runtime!.setHealthy(id, healthy);
    await cluster.until(async () => (await isReady()) === healthy);
    // The next probe comes within its period of a second.
    const tookMs = clock.now() - startMs;
    assert.ok(tookMs < 2000, `${healthy ? 'passing' : 'failing'} shows after ${tookMs} ms`);
  }
});

test('Endpoints made by hand stay with a Service that was made again, though its cache lacks it', async () => {
  const gate = new Gate();
  await using cluster = await createCluster({
    nodes: 0,
    scheduler: false,
    controllers: ['endpoints'],
    wrapTransport: (transport) => gate.wrap(transport),
  });
  const { client, clock } = cluster;
  const metadata = { name: 'outside', namespace: 'default' };
  const make = async (ip: string) => {
    await client.create(
      Service,
      sparse<Draft<Service>>({ metadata: { ...metadata }, spec: { ports: [{ port: 80 }] } }),
    );
    const subsets = [{ addresses: [{ ip }], ports: [{ port: 80 }] }];
    await client.create(Endpoints, sparse<Draft<Endpoints>>({ metadata: { ...metadata }, subsets }));
  };
  await make('10.9.0.1');
  await clock.advance(1_000);

  gate.hold(Service);
  for (const type of [Service, Endpoints]) await client.delete(type, metadata);
  await make('10.9.0.2');
  await clock.advance(1_000);
  gate.letOneThrough(); // The deletion.
  await clock.advance(1_000);
  const kept = await client.get(Endpoints, metadata).catch(undefinedIfNotFound);
  assert.equal(kept?.subsets?.[0]?.addresses?.[0]?.ip, '10.9.0.2');
  gate.release();
  await client.delete(Service, metadata);
  await cluster.until(async () => !(await client.get(Endpoints, metadata).catch(undefinedIfNotFound)));
});

test('Endpoints that are gone, though the cache does not know, are not mirrored', async () => {
  const gate = new Gate();
  await using cluster = await createCluster({
    nodes: 0,
    scheduler: false,
    controllers: ['endpointslicemirroring'],
    wrapTransport: (transport) => gate.wrap(transport),
  });
  const { client, clock } = cluster;
  const metadata = { name: 'outside', namespace: 'default' };
  const slices = async () => (await slicesOf(cluster, 'default')).filter((one) => isMirrorOf(one, 'outside'));
  await client.create(
    Service,
    sparse<Draft<Service>>({ metadata: { ...metadata }, spec: { ports: [{ port: 80 }] } }),
  );
  const subsets = [{ addresses: [{ ip: '10.9.0.1' }], ports: [{ port: 80 }] }];
  await client.create(Endpoints, sparse<Draft<Endpoints>>({ metadata: { ...metadata }, subsets }));
  await cluster.until(async () => (await slices()).length === 1);
  await clock.advance(10_000);

  gate.hold(Endpoints);
  await client.delete(Endpoints, metadata);
  // As the garbage collector does.
  for (const slice of await slices()) await client.delete(EndpointSlice, slice.metadata);
  await clock.advance(10_000);
  assert.deepEqual(await slices(), []);
});

function isMirrorOf({ metadata: { labels } }: EndpointSlice, name: string): boolean {
  const manager = labels?.['endpointslice.kubernetes.io/managed-by'];
  return (
    labels?.['kubernetes.io/service-name'] === name && manager === 'endpointslicemirroring-controller.k8s.io'
  );
}
