import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft, KubeObject, ResourceType } from '../../src/api/meta.ts';
import {
  ConfigMap,
  CustomResourceDefinition,
  Deployment,
  Namespace,
  Pod,
  ReplicaSet,
} from '../../src/api/resources.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { createCluster } from './cluster.ts';
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
  const widget: ResourceType = {
    group: 'example.com',
    version: 'v1',
    kind: 'Widget',
    plural: 'widgets',
    namespaced: true,
  };
  await client.create(CustomResourceDefinition, {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', singular: 'widget', listKind: 'WidgetList' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  } as unknown as Draft<CustomResourceDefinition>);
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

test('an owner in another namespace counts as gone, and is told of', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Namespace, { metadata: { name: 'other' }, spec: {}, status: {} });
  const owner = await client.create(ConfigMap, { metadata: { name: 'owner', namespace: 'other' } });
  await cluster.clock.advance(1_000);
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata.uid };
  await client.create(ConfigMap, { metadata: { name: 'child', namespace, ownerReferences: [reference] } });
  const gone = () =>
    client.get(ConfigMap, { name: 'child', namespace }).then(
      () => false,
      () => true,
    );
  await cluster.until(gone, 30_000);
});
