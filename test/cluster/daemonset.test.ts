import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DaemonSet, Node, Pod } from '../../src/api/resources.gen.ts';
import { isPodActive, isPodReady } from '../../src/controllers/pods/pod-state.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { daemonSetOf, withImage } from './workloads.ts';

const namespace = 'default';
const at = { name: 'agent', namespace };
const nodesOf = async (cluster: Cluster) =>
  (await cluster.client.list(Pod, { namespace })).items
    .filter(isPodActive)
    .map((pod) => pod.spec?.nodeName)
    .sort();
const settled = (cluster: Cluster, count: number) =>
  cluster.until(async () => {
    const { metadata, status } = await cluster.client.get(DaemonSet, at);
    const isSeen = status?.observedGeneration === metadata.generation;
    return isSeen && status?.updatedNumberScheduled === count && status.numberAvailable === count;
  });

test('each node has its pod: new ones, cordoned ones, and those that a label lets in', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, clock } = cluster;
  await client.patch(Node, { name: 'node2' }, { spec: { unschedulable: true } }, { type: 'merge' });
  await client.create(DaemonSet, daemonSetOf('agent'));
  await settled(cluster, 2);
  await cluster.addNode('node3');
  await settled(cluster, 3);
  assert.deepEqual(await nodesOf(cluster), ['node1', 'node2', 'node3']);
  await client.patch(
    DaemonSet,
    at,
    { spec: { template: { spec: { nodeSelector: { disk: 'ssd' } } } } },
    { type: 'strategic' },
  );
  await clock.advance(30_000);
  assert.deepEqual(await nodesOf(cluster), []);
  await client.patch(Node, { name: 'node1' }, { metadata: { labels: { disk: 'ssd' } } }, { type: 'merge' });
  await settled(cluster, 1);
  assert.deepEqual(await nodesOf(cluster), ['node1']);
});

test('a taint that is not tolerated drives its pod away, and keeps it away', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, clock } = cluster;
  await client.create(DaemonSet, daemonSetOf('agent'));
  await settled(cluster, 2);
  await client.patch(
    Node,
    { name: 'node1' },
    { spec: { taints: [{ key: 'x', effect: 'NoExecute' }] } },
    { type: 'merge' },
  );
  await clock.advance(30_000);
  assert.deepEqual(await nodesOf(cluster), ['node2']);
  const { status } = await client.get(DaemonSet, at);
  assert.deepEqual([status?.desiredNumberScheduled, status?.numberMisscheduled], [1, 0]);
});

for (const [rollingUpdate, mostDown, mostPods] of [
  [{ maxUnavailable: 1 }, 1, 4],
  [{ maxUnavailable: 2 }, 2, 4],
  [{ maxSurge: 1, maxUnavailable: 0 }, 0, 5],
] as const) {
  test(`a rolling update with ${JSON.stringify(rollingUpdate)} stays within its bounds`, async () => {
    await using cluster = await createCluster({ nodes: 4 });
    const { client } = cluster;
    await client.create(
      DaemonSet,
      daemonSetOf('agent', 'agent:1', { updateStrategy: { type: 'RollingUpdate', rollingUpdate } }),
    );
    await settled(cluster, 4);
    await client.patch(DaemonSet, at, withImage('agent:2'), { type: 'strategic' });
    let [down, pods] = [0, 0];
    await cluster.until(async () => {
      const active = (await client.list(Pod, { namespace })).items.filter(isPodActive);
      const served = new Set(active.filter(isPodReady).map((pod) => pod.spec?.nodeName));
      down = Math.max(down, 4 - served.size);
      pods = Math.max(pods, active.length);
      const { status } = await client.get(DaemonSet, at);
      return status?.updatedNumberScheduled === 4 && status.numberAvailable === 4 && active.length === 4;
    });
    assert.ok(down <= mostDown && pods <= mostPods, `${down} nodes without, ${pods} pods`);
  });
}

test('OnDelete replaces a pod only when it is deleted by a user', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, clock } = cluster;
  await client.create(DaemonSet, daemonSetOf('agent', 'agent:1', { updateStrategy: { type: 'OnDelete' } }));
  await settled(cluster, 2);
  await client.patch(DaemonSet, at, withImage('agent:2'), { type: 'strategic' });
  await clock.advance(30_000);
  const images = async () =>
    (await client.list(Pod, { namespace })).items.map((pod) => pod.spec?.containers[0]?.image).sort();
  assert.deepEqual(await images(), ['agent:1', 'agent:1']);
  const [first] = (await client.list(Pod, { namespace })).items;
  await client.delete(Pod, first!.metadata);
  await clock.advance(30_000);
  assert.deepEqual(await images(), ['agent:1', 'agent:2']);
});
