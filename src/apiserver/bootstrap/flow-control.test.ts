import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { createTestServer, mergePatch, type TestServer } from '../server.fixture.ts';

const group = '/apis/flowcontrol.apiserver.k8s.io/v1';
const levels = `${group}/prioritylevelconfigurations`;
const annotation = 'apf.kubernetes.io/autoupdate-spec';
const aMinuteMs = 60_000;

async function levelOf(server: TestServer, name: string) {
  const { object } = await server.ask('GET', `${levels}/${name}`);
  return {
    spec: object.spec,
    isOurs: object.metadata?.annotations?.[annotation],
    version: object.metadata?.resourceVersion,
  };
}

const withShares = (shares: number, isOurs?: string | null) => ({
  metadata: { annotations: { [annotation]: isOurs } },
  spec: { limited: { nominalConcurrencyShares: shares } },
});

test('mandatory flow-control objects are restored within a minute', async () => {
  await using server = await createTestServer();
  for (const path of [
    `${levels}/exempt`,
    `${levels}/catch-all`,
    `${group}/flowschemas/exempt`,
    `${group}/flowschemas/probes`,
  ])
    assert.equal((await server.ask('DELETE', path)).status, 200, path);
  await server.clock.advance(aMinuteMs);
  for (const path of [
    `${levels}/exempt`,
    `${levels}/catch-all`,
    `${group}/flowschemas/exempt`,
    `${group}/flowschemas/probes`,
  ])
    assert.equal((await server.ask('GET', path)).status, 200, path);
});

test("a spec is the server's until an administrator says that it is theirs, and is written when it differs only", async () => {
  await using server = await createTestServer();
  const before = await levelOf(server, 'system');
  await server.ask('PATCH', `${levels}/node-high`, withShares(7, 'true'), mergePatch);
  await server.ask('PATCH', `${levels}/workload-low`, withShares(8, 'false'), mergePatch);
  await server.ask('PATCH', `${levels}/workload-high`, withShares(9, null), mergePatch);
  await server.clock.advance(aMinuteMs);
  const shares = async (name: string) => {
    const { spec, isOurs } = await levelOf(server, name);
    return [spec.limited.nominalConcurrencyShares, isOurs];
  };
  assert.deepEqual(await shares('node-high'), [40, 'true']);
  assert.deepEqual(await shares('workload-low'), [8, 'false']);
  assert.deepEqual(await shares('workload-high'), [9, 'false'], 'changed, without a word whose it is');
  assert.deepEqual(await levelOf(server, 'system'), before);
});

test('what a server of an earlier version kept goes, and what an administrator has made or taken over stays', async () => {
  await using server = await createTestServer();
  const schemas = `${group}/flowschemas`;
  const schema = (name: string, annotations: object) => ({
    metadata: { name, annotations },
    spec: { priorityLevelConfiguration: { name: 'system' }, matchingPrecedence: 700 },
  });
  for (const [name, annotations] of [
    ['former', { [annotation]: 'true' }],
    ['taken-over', { [annotation]: 'false' }],
    ['own', {}],
  ] as const)
    assert.equal((await server.ask('POST', schemas, schema(name, annotations))).status, 201);
  await server.clock.advance(aMinuteMs);
  const { object } = await server.ask('GET', schemas);
  const names: string[] = object.items.map(({ metadata }: Item) => metadata.name);
  assert.deepEqual(
    ['former', 'taken-over', 'own', 'probes'].map((name) => names.includes(name)),
    [false, true, true, true],
  );
});

test("what the exempt level lends is an administrator's to say, and that it is exempt is not", async () => {
  await using server = await createTestServer();
  const patch = { spec: { exempt: { lendablePercent: 50 } } };
  assert.equal((await server.ask('PATCH', `${levels}/exempt`, patch, mergePatch)).status, 200);
  await server.clock.advance(aMinuteMs);
  const { spec } = await levelOf(server, 'exempt');
  assert.deepEqual([spec.type, spec.exempt.lendablePercent], ['Exempt', 50]);
});

test('the namespaces of the system are back, too', async () => {
  await using server = await createTestServer();
  const path = '/api/v1/namespaces/kube-node-lease';
  await server.ask('DELETE', path);
  await server.ask('PUT', `${path}/finalize`, { ...(await server.ask('GET', path)).object, spec: {} });
  assert.equal((await server.ask('GET', path)).status, 404);
  await server.clock.advance(aMinuteMs);
  assert.equal((await server.ask('GET', path)).object.metadata.name, 'kube-node-lease');
});

test('a server starts again while the webhooks that see everything are not there', async () => {
  const store = createMemoryStore();
  const clock = new VirtualClock();
  const everything = [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], operations: ['*'] }];
  {
    await using server = await createTestServer({ store, clock });
    const webhook = {
      name: 'all.example.com',
      clientConfig: { service: { namespace: 'default', name: 'gone' } },
      rules: everything,
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
    };
    const configurations = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
    const { status } = await server.ask('POST', configurations, {
      metadata: { name: 'all' },
      webhooks: [webhook],
    });
    assert.equal(status, 201);
  }
  await using again = await createTestServer({ store, clock });
  const path = '/api/v1/namespaces/default/configmaps';
  const { status, object } = await again.ask('POST', path, { metadata: { name: 'a' } });
  assert.deepEqual([status, /failed calling webhook/.test(object.message)], [500, true], 'it is asked');
});

test('a cluster has the flow schemas of upstream, by their precedence', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('GET', `${group}/flowschemas`);
  const names = object.items
    .sort((left: Item, right: Item) => left.spec.matchingPrecedence - right.spec.matchingPrecedence)
    .map(({ metadata }: Item) => metadata.name);
  assert.deepEqual(names, [
    'exempt',
    'probes',
    'system-leader-election',
    'system-node-high',
    'system-nodes',
    'kube-controller-manager',
    'kube-scheduler',
    'kube-system-service-accounts',
    'service-accounts',
    'global-default',
    'catch-all',
  ]);
});

interface Item {
  metadata: { name: string };
  spec: { matchingPrecedence: number };
}
