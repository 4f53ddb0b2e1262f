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
  assert.match(
    outside.object.message,
    /IP 1\.2\.3\.4: the provided network does not match the current range/,
  );
});

const ranges = '/apis/networking.k8s.io/v1/servicecidrs';
const range = (name: string, cidr: string) => ({ metadata: { name }, spec: { cidrs: [cidr] } });

test('addresses come from every range that is ready', async () => {
  await using server = await createTestServer({ serviceCidr: '10.5.0.0/30' });
  assert.equal((await server.ask('POST', services, service('a'))).status, 201);
  const full = await server.ask('POST', services, service('b'));
  assert.match(full.object.message, /failed to allocate a serviceIP: range is full/);
  await server.ask('POST', ranges, range('more', '10.6.0.0/30'));
  const made = await server.ask('POST', services, service('b'));
  assert.match(made.object.spec.clusterIP, /^10\.6\.0\.[12]$/);
  const chosen = made.object.spec.clusterIP === '10.6.0.1' ? '10.6.0.2' : '10.6.0.1';
  for (const notReady of [
    { status: { conditions: [{ ...condition, status: 'False' }] } },
    { status: { conditions: [{ ...condition, status: 'True' }] } },
  ]) {
    await server.ask('PATCH', `${ranges}/more/status`, notReady, mergePatch);
    const isReady = notReady.status.conditions[0]!.status === 'True';
    const { status } = await server.ask('POST', services, service('c', { clusterIP: chosen }));
    assert.equal(status, isReady ? 201 : 422);
  }
});
const condition = { type: 'Ready', reason: 'x', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };

test('a range that is being deleted gives no address, and one within another no second time', async () => {
  await using server = await createTestServer({ serviceCidr: '10.5.0.0/28' });
  const going = range('going', '10.6.0.0/28');
  Object.assign(going.metadata, { finalizers: ['example.com/held'] });
  await server.ask('POST', ranges, going);
  const at = { clusterIP: '10.6.0.5' };
  assert.equal((await server.ask('POST', services, service('a', at))).status, 201);
  await server.ask('DELETE', `${ranges}/going`);
  assert.equal((await server.ask('POST', services, service('b', { clusterIP: '10.6.0.6' }))).status, 422);
  await server.ask('POST', ranges, range('wider', '10.6.0.0/24'));
  assert.equal((await server.ask('POST', services, service('b', { clusterIP: '10.6.0.6' }))).status, 201);
  const again = await server.ask('POST', services, service('c', at));
  assert.match(again.object.message, /provided IP is already allocated/);
});

test('the range that the server was started with is ready without controllers', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('GET', `${ranges}/kubernetes`);
  const [{ type, status, message }] = object.status.conditions;
  assert.deepEqual([type, status, message], ['Ready', 'True', 'Kubernetes default Service CIDR is ready']);
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

test('allocations are known again after a restart', async () => {
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
