import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, mergePatch } from '../server.fixture.ts';

const services = '/api/v1/namespaces/default/services';

function service(name: string, spec: Record<string, unknown> = {}) {
  return { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } };
}

test('every service gets an address of its own, in the range', async () => {
  await using server = await createTestServer({ serviceCidr: '10.5.0.0/24' });
  const made = await Promise.all(
    Array.from({ length: 100 }, (_, index) => server.ask('POST', services, service(`s${index}`))),
  );
  const addresses = made.map(({ object }) => object.spec.clusterIP as string);
  assert.equal(new Set(addresses).size, 100);
  for (const address of addresses) assert.match(address, /^10\.5\.0\.\d+$/);
  assert.ok(!addresses.includes('10.5.0.1'), 'the first address belongs to the kubernetes service');
});

test('a range that is used up refuses, and a deleted service gives its address back', async () => {
  await using server = await createTestServer({ serviceCidr: '10.5.0.0/29' });
  for (let index = 0; index < 5; index++)
    assert.equal((await server.ask('POST', services, service(`s${index}`))).status, 201);
  assert.equal((await server.ask('POST', services, service('more'))).status, 500);
  const { object } = await server.ask('GET', `${services}/s3`);
  await server.ask('DELETE', `${services}/s3`);
  const again = await server.ask('POST', services, service('more'));
  assert.equal(again.object.spec.clusterIP, object.spec.clusterIP);
});

test('an address that is taken, or out of range, is refused by name', async () => {
  await using server = await createTestServer();
  const taken = await server.ask('POST', services, service('a', { clusterIP: '10.96.0.1' }));
  assert.match(taken.object.message, /failed to allocate IP 10\.96\.0\.1: provided IP is already allocated/);
  const outside = await server.ask('POST', services, service('a', { clusterIP: '1.2.3.4' }));
  assert.match(outside.object.message, /not in the valid range\. The range of valid IPs is 10\.96\.0\.0\/12/);
});

test('an address that a failed create took is free again', async () => {
  await using server = await createTestServer();
  const wrong = service('a', { clusterIP: '10.96.0.77', ports: [{ port: 0 }] });
  assert.equal((await server.ask('POST', services, wrong)).status, 422);
  assert.equal((await server.ask('POST', services, service('a', { clusterIP: '10.96.0.77' }))).status, 201);
  const dry = await server.ask('POST', `${services}?dryRun=All`, service('b', { clusterIP: '10.96.0.78' }));
  assert.equal(dry.status, 201);
  assert.equal((await server.ask('POST', services, service('b', { clusterIP: '10.96.0.78' }))).status, 201);
});

test('node ports come and go with the type of the service', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('POST', services, service('a', { type: 'NodePort' }));
  const port = object.spec.ports[0].nodePort;
  assert.ok(port >= 30_000 && port <= 32_767);
  const clash = { type: 'NodePort', ports: [{ port: 80, nodePort: port }] };
  const refused = await server.ask('POST', services, service('b', clash));
  assert.match(refused.object.message, /provided port is already allocated/);
  const plain = await server.ask('PATCH', `${services}/a`, { spec: { type: 'ClusterIP' } }, mergePatch);
  assert.equal(plain.object.spec.ports[0].nodePort, undefined);
  assert.equal((await server.ask('POST', services, service('b', clash))).status, 201);
});

test('what is stored is known again after a restart', async () => {
  const first = await createTestServer();
  const { object } = await first.ask('POST', services, service('a', { type: 'NodePort' }));
  await first.api.close();
  await using second = await createTestServer({ store: first.store });
  const { clusterIP, ports } = object.spec;
  assert.equal((await second.ask('POST', services, service('b', { clusterIP }))).status, 422);
  const clash = { type: 'NodePort', ports: [{ port: 80, nodePort: ports[0].nodePort }] };
  assert.equal((await second.ask('POST', services, service('b', clash))).status, 422);
});

test('an address is an IPAddress for as long as the service has it', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('POST', services, service('a', { type: 'NodePort' }));
  const path = `/apis/networking.k8s.io/v1/ipaddresses/${object.spec.clusterIP}`;
  const claim = await server.ask('GET', path);
  assert.deepEqual(claim.object.spec.parentRef, {
    resource: 'services',
    namespace: 'default',
    name: 'a',
  });
  await server.ask('DELETE', `${services}/a`);
  await server.clock.advance(10);
  assert.equal((await server.ask('GET', path)).status, 404);
  const ports = await server.store.list('/registry/ranges/servicenodeports/');
  assert.deepEqual(ports.entries, []);
});

test('two servers on one store never give the same address or port twice', async () => {
  const one = await createTestServer({
    serviceCidr: '10.5.0.0/26',
    nodePorts: { first: 30_000, last: 30_039 },
    sharedStore: true,
  });
  await using two = await createTestServer({
    store: one.store,
    serviceCidr: '10.5.0.0/26',
    nodePorts: { first: 30_000, last: 30_039 },
    sharedStore: true,
  });
  const made = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      (index % 2 ? one : two).ask('POST', services, service(`s${index}`, { type: 'NodePort' })),
    ),
  );
  assert.ok(made.every(({ status }) => status === 201));
  assert.equal(new Set(made.map(({ object }) => object.spec.clusterIP)).size, 40);
  assert.equal(new Set(made.map(({ object }) => object.spec.ports[0].nodePort)).size, 40);
  await one.api.close();
});
