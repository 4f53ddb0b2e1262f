import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, type TestServer } from '../../server.fixture.ts';

const inDefault = '/api/v1/namespaces/default';

async function withClass(more: object): Promise<TestServer> {
  const server = await createTestServer();
  await server.ask('POST', `${inDefault}/serviceaccounts`, { metadata: { name: 'default' } });
  await server.ask('POST', '/apis/node.k8s.io/v1/runtimeclasses', {
    metadata: { name: 'kata' },
    handler: 'kata',
    ...more,
  });
  return server;
}

function create(server: TestServer, spec: object) {
  return server.ask('POST', `${inDefault}/pods`, {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }], runtimeClassName: 'kata', ...spec },
  });
}

test('a pod may state the overhead of its class, in whatever order and notation', async () => {
  await using server = await withClass({ overhead: { podFixed: { cpu: '100m', memory: '1Gi' } } });
  const refused = await create(server, { overhead: { cpu: '200m', memory: '1Gi' } });
  assert.match(
    refused.object.message,
    /pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead$/,
  );
  const { object } = await create(server, { overhead: { memory: '1024Mi', cpu: '0.1' } });
  assert.deepEqual(object.spec.overhead, { cpu: '100m', memory: '1Gi' });
});

test('an overhead needs a class that has one', async () => {
  await using server = await withClass({});
  assert.match(
    (await create(server, { overhead: { cpu: '1' } })).object.message,
    /Pod Overhead set without corresponding RuntimeClass defined Overhead$/,
  );
});

test('a pod goes where its class runs, whatever the labels there are called', async () => {
  const nodeSelector = { constructor: 'a', disk: 'ssd' };
  await using server = await withClass({ scheduling: { nodeSelector } });
  const refused = await create(server, { nodeSelector: { disk: 'hdd' } });
  assert.match(
    refused.object.message,
    /conflict: runtimeClass.scheduling.nodeSelector\[disk\] = ssd; pod.spec.nodeSelector\[disk\] = hdd$/,
  );
  const { object } = await create(server, { nodeSelector: { zone: 'z' } });
  assert.deepEqual(object.spec.nodeSelector, { zone: 'z', ...nodeSelector });
});

test('of what pod and class tolerate, that stays which says the most', async () => {
  const own = { key: 'a', operator: 'Exists' };
  const narrower = { key: 'a', operator: 'Equal', value: 'x', effect: 'NoSchedule' };
  const other = { key: 'b', operator: 'Equal', value: 'x', effect: 'NoSchedule' };
  await using server = await withClass({ scheduling: { tolerations: [narrower, other] } });
  const { object } = await create(server, { tolerations: [own, other] });
  const given = object.spec.tolerations.filter(({ key }: { key: string }) => key.length === 1);
  assert.deepEqual(given, [own, other]);
});
