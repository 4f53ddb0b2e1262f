import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, type TestServer } from '../../server.fixture.ts';

const pods = '/api/v1/namespaces/default/pods';
const zone = 'topology.kubernetes.io/zone';
const region = 'topology.kubernetes.io/region';

async function withNodes(): Promise<TestServer> {
  const server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const labels = { [zone]: 'za', [region]: 'ra', disk: 'ssd' };
  await server.ask('POST', '/api/v1/nodes', { metadata: { name: 'n', labels } });
  await server.ask('POST', '/api/v1/nodes', { metadata: { name: 'bare' } });
  return server;
}

function pod(name: string, spec: object = {}, labels: object = { app: 'a' }) {
  return { metadata: { name, labels }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } };
}

async function labelsOf(server: TestServer, name: string): Promise<unknown> {
  return (await server.ask('GET', `${pods}/${name}`)).object.metadata.labels;
}

async function bind(server: TestServer, name: string, target: object): Promise<number> {
  const binding = { kind: 'Binding', apiVersion: 'v1', metadata: { name }, target };
  return (await server.ask('POST', `${pods}/${name}/binding`, binding)).status;
}

test('a pod that is bound gets the zone and the region of its node, and nothing else of it', async () => {
  await using server = await withNodes();
  await server.ask('POST', pods, pod('p'));
  assert.equal(await bind(server, 'p', { kind: 'Node', name: 'n' }), 201);
  assert.deepEqual(await labelsOf(server, 'p'), { app: 'a', [zone]: 'za', [region]: 'ra' });
});

test('a pod that is made for a node says its zone, whatever zone it claims', async () => {
  await using server = await withNodes();
  await server.ask('POST', pods, pod('p', { nodeName: 'n' }, { [zone]: 'elsewhere' }));
  assert.deepEqual(await labelsOf(server, 'p'), { [zone]: 'za', [region]: 'ra' });
});

test('nodes that say no zone, or do not exist, leave labels alone', async () => {
  await using server = await withNodes();
  for (const [name, node] of [
    ['p', 'bare'],
    ['q', 'nosuch'],
  ]) {
    await server.ask('POST', pods, pod(name!));
    assert.equal(await bind(server, name!, { kind: 'Node', name: node }), 201);
    assert.deepEqual(await labelsOf(server, name!), { app: 'a' });
  }
});
