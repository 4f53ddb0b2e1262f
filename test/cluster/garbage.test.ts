import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft, KubeObject, ResourceType } from '../../src/api/meta.ts';
import {
  ClusterRole,
  ConfigMap,
  CustomResourceDefinition,
  Deployment,
  Event,
  Namespace,
  Pod,
  ReplicaSet,
  Secret,
} from '../../src/api/resources.gen.ts';
import { expired, undefinedIfNotFound } from '../../src/api/status.ts';
import type { Client } from '../../src/client/client.ts';
import { type Transport, TransportError } from '../../src/client/transport/transport.ts';
import { createCluster } from './cluster.ts';
import { gadgetDefinition, widget, widgetDefinition } from './widgets.ts';
import { deploymentOf } from './workloads.ts';

const namespace = 'default';
const counts = async (client: Client) =>
  await Promise.all(
    [Deployment, ReplicaSet, Pod].map(
      async (type) => (await client.list<KubeObject>(type as ResourceType, { namespace })).items.length,
    ),
  );

async function clusterWithWeb() {
  const cluster = await createCluster();
  await cluster.client.create(Deployment, deploymentOf('web', 3));
  await cluster.until(
    async () =>
      (await cluster.client.get(Deployment, { name: 'web', namespace })).status?.availableReplicas === 3,
  );
  return cluster;
}

test('a deletion in the background takes everything below with it', async () => {
  await using cluster = await clusterWithWeb();
  await cluster.client.delete(Deployment, { name: 'web', namespace }, { propagationPolicy: 'Background' });
  assert.equal((await counts(cluster.client))[0], 0);
  await cluster.until(async () => (await counts(cluster.client)).join() === '0,0,0', 60_000);
});

test('a deletion in the foreground ends with the owner', async () => {
  await using cluster = await clusterWithWeb();
  const { client } = cluster;
  await client.delete(Deployment, { name: 'web', namespace }, { propagationPolicy: 'Foreground' });
  const seen: string[] = [];
  await cluster.until(async () => {
    const now = (await counts(client)).join();
    if (seen.at(-1) !== now) seen.push(now);
    return now === '0,0,0';
  }, 60_000);
  for (const state of seen)
    if (!state.startsWith('0')) continue;
    else assert.equal(state, '0,0,0');
});

test('an orphaning deletion leaves what is below, without an owner', async () => {
  await using cluster = await clusterWithWeb();
  const { client } = cluster;
  await client.delete(Deployment, { name: 'web', namespace }, { propagationPolicy: 'Orphan' });
  await cluster.until(async () => (await counts(client))[0] === 0, 60_000);
  await cluster.clock.advance(30_000);
  assert.deepEqual(await counts(client), [0, 1, 3]);
  assert.equal((await client.list(ReplicaSet, { namespace })).items[0]!.metadata.ownerReferences, undefined);
});

test('objects of custom kinds are collected too, from the moment that the kind exists', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(CustomResourceDefinition, widgetDefinition);
  await clock.advance(5_000);
  const owner = await client.create(widget, { metadata: { name: 'owner', namespace } });
  const reference = { apiVersion: 'example.com/v1', kind: 'Widget', name: 'owner', uid: owner.metadata.uid };
  await client.create(ConfigMap, { metadata: { name: 'child', namespace, ownerReferences: [reference] } });
  await clock.advance(5_000);
  assert.equal((await client.get(ConfigMap, { name: 'child', namespace })).metadata.name, 'child');
  await client.delete(widget, { name: 'owner', namespace });
  const gone = () =>
    client.get(ConfigMap, { name: 'child', namespace }).then(
      () => false,
      () => true,
    );
  await cluster.until(gone, 30_000);
});

test('an owner in another namespace counts as gone, and is reported', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Namespace, { metadata: { name: 'other' }, spec: {}, status: {} });
  const owner = await client.create(ConfigMap, { metadata: { name: 'owner', namespace: 'other' } });
  await cluster.clock.advance(1_000);
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata.uid };
  await client.create(ConfigMap, { metadata: { name: 'child', namespace, ownerReferences: [reference] } });
  await client.create(ClusterRole, { metadata: { name: 'wide', ownerReferences: [reference] }, rules: [] });
  const unknown = { ...reference, apiVersion: 'example.com/v1', kind: 'Thing' };
  await client.create(ConfigMap, { metadata: { name: 'puzzle', namespace, ownerReferences: [unknown] } });
  const gone = () =>
    client.get(ConfigMap, { name: 'child', namespace }).then(
      () => false,
      () => true,
    );
  await cluster.until(gone, 30_000);
  // An object without a namespace cannot say where its owner is: it stays.
  const recorded = async () =>
    (await client.list(Event)).items
      .filter(({ reason }) => reason === 'OwnerRefInvalidNamespace')
      .map(({ message }) => message)
      .sort();
  await cluster.until(async () => (await recorded()).length === 3, 30_000);
  const owned = (where: string, kind = 'v1/ConfigMap') =>
    `ownerRef [${kind}, namespace: ${where}, name: owner, uid: ${owner.metadata.uid}] does not exist in namespace "${where}"`;
  assert.deepEqual(await recorded(), [owned(namespace, 'example.com/v1/Thing'), owned(''), owned(namespace)]);
  await cluster.clock.advance(60_000);
  const counts = (await client.list(Event)).items
    .filter(({ reason }) => reason === 'OwnerRefInvalidNamespace')
    .map(({ count }) => count);
  assert.deepEqual(counts, [1, 1, 1]);
  assert.equal((await client.get(ClusterRole, { name: 'wide' })).metadata.deletionTimestamp, undefined);
});

test('an owner of another kind or name than the reference says counts as gone', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const { uid } = (await client.create(ConfigMap, { metadata: { name: 'owner', namespace } })).metadata;
  await cluster.clock.advance(1_000);
  const right = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid };
  for (const [name, reference] of Object.entries({
    right,
    'wrong-kind': { ...right, kind: 'Secret' },
    'wrong-name': { ...right, name: 'other' },
  }))
    await client.create(ConfigMap, { metadata: { name, namespace, ownerReferences: [reference] } });
  const left = async () =>
    (await client.list(ConfigMap, { namespace })).items.map((one) => one.metadata.name);
  await cluster.until(async () => (await left()).every((name) => !name.startsWith('wrong')), 30_000);
  await cluster.clock.advance(30_000);
  assert.deepEqual(await left(), ['kube-root-ca.crt', 'owner', 'right']);
});

test('resources that discovery fails to tell of for a while are still followed', async () => {
  let isCut = false;
  const wrapTransport = (transport: Transport): Transport => ({
    close: () => transport.close(),
    send(request) {
      if (isCut && request.path === '/api/v1') throw new TransportError('the request was lost');
      return transport.send(request);
    },
  });
  await using cluster = await createCluster({ wrapTransport });
  const { client, clock } = cluster;
  await client.create(Deployment, deploymentOf('web', 3));
  await clock.advance(10_000);
  assert.deepEqual(await counts(client), [1, 1, 3]);
  isCut = true;
  await client.create(CustomResourceDefinition, widgetDefinition);
  await clock.advance(10_000);
  await client.delete(Deployment, { name: 'web', namespace }, { propagationPolicy: 'Background' });
  await cluster.until(async () => (await counts(client)).join() === '0,0,0', 60_000);
});

for (const when of ['from the start', 'later'])
  test(`a kind whose objects cannot be listed ${when} does not keep others from being collected`, async () => {
    const wrapTransport = (transport: Transport): Transport => ({
      close: () => transport.close(),
      send(request) {
        if (request.path.includes('/gadgets')) throw new TransportError('the request was lost');
        return transport.send(request);
      },
    });
    await using cluster = await createCluster({ wrapTransport });
    const { client, clock } = cluster;
    if (when === 'from the start') await cluster.stopControllers();
    else await clock.advance(5_000);
    await client.create(CustomResourceDefinition, gadgetDefinition);
    await clock.advance(5_000);
    if (when === 'from the start') cluster.startControllers();
    await client.create(CustomResourceDefinition, widgetDefinition);
    await clock.advance(5_000);
    const owner = await client.create(widget, { metadata: { name: 'owner', namespace } });
    const { uid } = owner.metadata;
    const reference = { apiVersion: 'example.com/v1', kind: 'Widget', name: 'owner', uid };
    await client.create(ConfigMap, { metadata: { name: 'child', namespace, ownerReferences: [reference] } });
    await clock.advance(5_000);
    await client.delete(widget, { name: 'owner', namespace });
    const isThere = async () =>
      (await client.list(ConfigMap, { namespace })).items.some(({ metadata }) => metadata.name === 'child');
    await cluster.until(async () => !(await isThere()), 60_000);
  });

/** Holds the watches of a resource until it opens, and then has them restart from a list. */
function holdWatches(resource: string) {
  const opened = Promise.withResolvers<void>();
  let isHolding = false;
  async function* held<Event>(events: AsyncIterable<Event>): AsyncGenerator<Event> {
    for await (const event of events) {
      if (isHolding) {
        await opened.promise;
        throw expired('too old resource version');
      }
      yield event;
    }
  }
  const wrapTransport = (transport: Transport): Transport => ({
    close: () => transport.close(),
    async send(request) {
      const response = await transport.send(request);
      if (!('events' in response) || !request.path.includes(`/${resource}?`)) return response;
      return { status: 200, events: held(response.events) };
    },
  });
  const hold = () => {
    isHolding = true;
  };
  const open = () => {
    isHolding = false;
    opened.resolve();
  };
  return { wrapTransport, hold, open };
}

test('an owner that no watch has shown is missed all the same when it is gone', async () => {
  const { wrapTransport, hold, open } = holdWatches('configmaps');
  await using cluster = await createCluster({ wrapTransport });
  const { client, clock } = cluster;
  await clock.advance(5_000);
  hold();
  const { metadata } = await client.create(ConfigMap, { metadata: { name: 'owner', namespace } });
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: metadata.uid };
  await client.create(Secret, { metadata: { name: 'child', namespace, ownerReferences: [reference] } });
  const children = async () =>
    (await client.list(Secret, { namespace })).items.filter((one) => one.metadata.name === 'child').length;
  await clock.advance(5_000);
  assert.equal(await children(), 1);
  await client.delete(ConfigMap, metadata);
  open();
  await cluster.until(async () => (await children()) === 0, 120_000);
});

test('objects that a second group shows are neither followed nor deleted a second time', async () => {
  const asked: string[] = [];
  const wrapTransport = (transport: Transport): Transport => ({
    ...transport,
    send(request) {
      asked.push(request.path);
      return transport.send(request);
    },
  });
  await using cluster = await createCluster({ wrapTransport });
  const { client } = cluster;
  await client.create(Namespace, { metadata: { name: 'team' } } as Draft<Namespace>);
  await client.create(Deployment, {
    ...deploymentOf('web', 1),
    metadata: { name: 'web', namespace: 'team', finalizers: ['example.com/hold'] },
  } as Draft<Deployment>);
  await client.delete(Namespace, { name: 'team' });
  const remains = async () =>
    (await client.get(Namespace, { name: 'team' })).status?.conditions?.find(
      ({ type }) => type === 'NamespaceContentRemaining',
    )?.message;
  await cluster.until(
    async () => (await remains())?.endsWith('deployments.apps has 1 resource instances') === true,
  );
  assert.ok(asked.some((path) => path.startsWith('/apis/apps/v1/deployments?')));
  assert.deepEqual(
    asked.filter((path) => /^\/apis\/extensions\/\w+\//.test(path)),
    [],
  );
});

test('an object that is given an owner which is already gone goes, too', async () => {
  await using cluster = await createCluster({ nodes: 0, controllers: ['garbagecollector'] });
  const { client, clock } = cluster;
  const at = { name: 'late', namespace: 'default' };
  const isThere = async () => (await client.get(ConfigMap, at).catch(undefinedIfNotFound)) !== undefined;
  const owner = await client.create(ConfigMap, { metadata: { name: 'owner', namespace: 'default' } });
  await client.create(ConfigMap, { metadata: { ...at } });
  await clock.advance(10_000);
  const { name, uid } = owner.metadata;
  await client.delete(ConfigMap, owner.metadata);
  await clock.advance(10_000);
  assert.ok(await isThere());
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }];
  await client.patch(ConfigMap, at, { metadata: { ownerReferences } }, { type: 'merge' });
  await cluster.until(async () => !(await isThere()), 60_000);
});
