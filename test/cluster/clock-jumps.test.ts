/** The time of day is set forwards and back under a whole cluster: nothing restarts, and nothing waits for the old hour. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment, Node, Pod } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';
import { deploymentOf } from './workloads.ts';

const namespace = 'default';
const hourMs = 3_600_000;

for (const [name, jumpMs] of [
  ['an hour forwards', hourMs],
  ['an hour back', -hourMs],
] as const) {
  test(`a clock that jumps ${name} restarts no container, loses no node and holds up no pod`, async () => {
    await using cluster = await createCluster({ nodes: 2 });
    const { client, clock } = cluster;
    const available = async (app: string) =>
      (await client.get(Deployment, { name: app, namespace })).status?.availableReplicas ?? 0;
    const containers = async () =>
      (await client.list(Pod, { namespace, labelSelector: 'app=old' })).items
        .flatMap(({ status }) => status?.containerStatuses ?? [])
        .map(({ containerID, restartCount, ready }) => `${containerID} ${restartCount} ${ready}`)
        .sort();
    await client.create(Deployment, deploymentOf('old', 6));
    // Waits in the scheduler's queue for a node that has room.
    const large = deploymentOf('large', 1);
    large.spec.template.spec!.nodeSelector = { size: 'large' };
    await client.create(Deployment, large);
    await cluster.until(async () => (await available('old')) === 6);
    const before = await containers();

    clock.jump(jumpMs);
    await client.create(Deployment, deploymentOf('new', 6));
    await cluster.addNode('node3', { size: 'large' });
    await cluster.until(
      async () => (await available('new')) === 6 && (await available('large')) === 1,
      15_000,
    );

    await clock.advance(120_000);
    assert.deepEqual(await containers(), before);
    for (const { metadata, status } of (await client.list(Node)).items) {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
      assert.equal(ready, 'True', metadata.name);
    }
    await client.delete(Deployment, { name: 'old', namespace });
    const left = async () => (await client.list(Pod, { namespace, labelSelector: 'app=old' })).items.length;
    await cluster.until(async () => (await left()) === 0, 60_000);
  });
}
