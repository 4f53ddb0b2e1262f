import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node, Pod } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';

const resource = 'example.org/myresource';

test('a resource that is patched into a node can be allocated, and is taken into account by the scheduler', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const name = cluster.nodes[0]!.name;
  const capacity = { status: { capacity: { [resource]: '3' } } };
  await client.patch(Node, { name }, capacity, { type: 'merge', subresource: 'status' });
  await cluster.until(
    async () => (await client.get(Node, { name })).status?.allocatable?.[resource] === '3',
    30_000,
  );
  const at = (pod: string) => ({ namespace: 'default', name: pod });
  for (const pod of ['one', 'two']) {
    const limits = { [resource]: '2' };
    const spec = { containers: [{ name: 'main', image: 'busybox', resources: { limits } }] };
    await client.create(Pod, { metadata: at(pod), spec });
    const condition = async () => {
      const { status } = await client.get(Pod, at(pod));
      return (
        status?.phase === 'Running' || status?.conditions?.some(({ reason }) => reason === 'Unschedulable')
      );
    };
    await cluster.until(async () => (await condition()) ?? false);
  }
  const phases = await Promise.all(
    ['one', 'two'].map(async (pod) => (await client.get(Pod, at(pod))).status?.phase),
  );
  assert.deepEqual(phases, ['Running', 'Pending']);
});

test('a pod takes the place of one whose object is gone, while that one still ends', async () => {
  await using cluster = await createCluster({ behaviour: () => ({ killMs: 5_000 }) });
  const { client } = cluster;
  const name = cluster.nodes[0]!.name;
  const capacity = { status: { capacity: { [resource]: '1' } } };
  await client.patch(Node, { name }, capacity, { type: 'merge', subresource: 'status' });
  await cluster.until(
    async () => (await client.get(Node, { name })).status?.allocatable?.[resource] === '1',
    30_000,
  );
  const at = (pod: string) => ({ namespace: 'default', name: pod });
  const limits = { [resource]: '1' };
  const spec = { nodeName: name, containers: [{ name: 'main', image: 'busybox', resources: { limits } }] };
  const hasPhase = (pod: string, phases: readonly string[]) =>
    cluster.until(async () => phases.includes((await client.get(Pod, at(pod))).status?.phase ?? ''));
  await client.create(Pod, { metadata: at('old'), spec });
  await hasPhase('old', ['Running']);
  await client.delete(Pod, at('old'), { gracePeriodSeconds: 0 });
  await client.create(Pod, { metadata: at('new'), spec });
  await hasPhase('new', ['Running', 'Failed']);
  const { status } = await client.get(Pod, at('new'));
  assert.equal(status?.phase, 'Running', status?.message);
});

test('a node admits one of two pods with the same host port and refuses the other', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const nodeName = 'late';
  const ports = [{ containerPort: 80, hostPort: 8080 }];
  const spec = { nodeName, containers: [{ name: 'main', image: 'busybox', ports }] };
  const at = (name: string) => ({ namespace: 'default', name });
  await Promise.all(['one', 'two'].map((name) => client.create(Pod, { metadata: at(name), spec })));
  await cluster.addNode(nodeName);
  const statuses = () =>
    Promise.all(['one', 'two'].map(async (name) => (await client.get(Pod, at(name))).status));
  await cluster.until(async () => (await statuses()).every((status) => status?.phase !== 'Pending'));
  const found = await statuses();
  assert.deepEqual(found.map((status) => status?.phase).sort(), ['Failed', 'Running']);
  assert.equal(found.find((status) => status?.phase === 'Failed')?.reason, 'NodePorts');
});
