import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerOf, type Draft } from '../../src/api/meta.ts';
import { ConfigMap, Event, Pod, ReplicaSet, ReplicationController } from '../../src/api/resources.gen.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';

const namespace = 'default';
const at = { name: 'kubia', namespace };
const template = {
  metadata: { labels: { app: 'kubia' } },
  spec: { containers: [{ name: 'c', image: 'luksa/kubia' }] },
};

function controllerOfPods(replicas: number, more: object = {}): Draft<ReplicationController> {
  return sparse<Draft<ReplicationController>>({
    metadata: at,
    spec: { replicas, selector: { app: 'kubia' }, template, ...more },
  });
}
const pods = async (cluster: Cluster) => (await cluster.client.list(Pod, { namespace })).items;
const ready = (cluster: Cluster, count: number) =>
  cluster.until(
    async () => (await cluster.client.get(ReplicationController, at)).status?.readyReplicas === count,
  );

test('a ReplicationController keeps its number, scales, and orphans its pods on request', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(ReplicationController, controllerOfPods(3));
  await ready(cluster, 3);
  const [first] = await pods(cluster);
  await client.delete(Pod, first!.metadata);
  await cluster.until(async () =>
    (await pods(cluster)).every((pod) => pod.metadata.uid !== first!.metadata.uid),
  );
  await ready(cluster, 3);
  await client.patch(
    ReplicationController,
    at,
    { spec: { replicas: 5 } },
    { type: 'merge', subresource: 'scale' },
  );
  await ready(cluster, 5);
  await client.delete(ReplicationController, at, { propagationPolicy: 'Orphan' });
  await cluster.clock.advance(30_000);
  const left = await pods(cluster);
  assert.deepEqual([left.length, left.some((pod) => controllerOf(pod))], [5, false]);
});

test('a pod that loses its label is let go and replaced; one that gets it is taken in, and one too many goes', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(ReplicationController, controllerOfPods(2));
  await ready(cluster, 2);
  const [first] = await pods(cluster);
  const relabel = (app: string) =>
    client.patch(Pod, first!.metadata, { metadata: { labels: { app } } }, { type: 'merge' });
  await relabel('foo');
  await cluster.until(async () => (await pods(cluster)).length === 3);
  const released = (await pods(cluster)).find((pod) => pod.metadata.uid === first!.metadata.uid);
  assert.equal(released && controllerOf(released), undefined);
  await clock.advance(60_000);
  await relabel('kubia');
  await cluster.until(async () => (await pods(cluster)).length === 2, 60_000);
  assert.ok((await pods(cluster)).every((pod) => controllerOf(pod)?.name === 'kubia'));
});

for (const crowded of ['node1', 'node2'])
  test(`the pod on ${crowded} goes first, where one is that a sibling of the ReplicaSet selects, whoever has it`, async () => {
    await using cluster = await createCluster({ nodes: 2 });
    const { client } = cluster;
    const { metadata } = await client.create(ConfigMap, { metadata: { name: 'boss', namespace } });
    const owned = { apiVersion: 'v1', kind: 'ConfigMap', name: 'boss', uid: metadata.uid, controller: true };
    const setOf = (name: string, replicas: number) =>
      sparse<Draft<ReplicaSet>>({
        metadata: { name, namespace, ownerReferences: [owned] },
        spec: {
          replicas,
          selector: { matchLabels: { set: name } },
          template: { metadata: { labels: { set: name } }, spec: template.spec },
        },
      });
    await client.create(ReplicaSet, setOf('old', 0));
    await client.create(ReplicaSet, setOf('new', 2));
    const running = async () =>
      (await pods(cluster))
        .filter(({ status }) => status?.phase === 'Running')
        .map(({ spec }) => spec.nodeName);
    await cluster.until(async () => (await running()).sort().join() === 'node1,node2');
    const held = { name: 'held', namespace, labels: { set: 'old' }, ownerReferences: [owned] };
    await client.create(Pod, { metadata: held, spec: { ...template.spec, nodeName: crowded } } as Draft<Pod>);
    await cluster.until(async () => (await running()).length === 3);
    await client.patch(ReplicaSet, { name: 'new', namespace }, { spec: { replicas: 1 } }, { type: 'merge' });
    await cluster.until(async () => (await pods(cluster)).length === 2);
    assert.deepEqual((await running()).sort(), ['node1', 'node2']);
  });

test('pods count as available when they have been ready for long enough', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(ReplicationController, controllerOfPods(1, { minReadySeconds: 20 }));
  await ready(cluster, 1);
  await clock.advance(15_000);
  assert.equal((await client.get(ReplicationController, at)).status?.availableReplicas ?? 0, 0);
  await clock.advance(10_000);
  assert.equal((await client.get(ReplicationController, at)).status?.availableReplicas, 1);
});

test('a template that is refused costs few requests, and says so', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  const spec = {
    replicas: 50,
    selector: { matchLabels: { app: 'kubia' } },
    template: { ...template, spec: { ...template.spec, serviceAccountName: 'nobody' } },
  };
  await client.create(ReplicaSet, sparse<Draft<ReplicaSet>>({ metadata: at, spec }));
  await clock.advance(1_000);
  const failure = (await client.get(ReplicaSet, at)).status?.conditions?.[0];
  assert.deepEqual([failure?.type, failure?.reason], ['ReplicaFailure', 'FailedCreate']);
  assert.match(
    failure?.message ?? '',
    /^pods "[a-z]+-" is forbidden: error looking up service account default\/nobody: serviceaccount "nobody" not found$/,
  );
  const events = (await client.list(Event, { namespace })).items.filter(
    (event) => event.reason === 'FailedCreate',
  );
  assert.ok(events.length >= 1 && events.reduce((sum, event) => sum + (event.count ?? 1), 0) < 12);
});
