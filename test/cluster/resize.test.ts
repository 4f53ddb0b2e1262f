import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event, Node, Pod, PriorityClass } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';

test('resources that a pod frees go to pending resizes, the most important first', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client } = cluster;
  const node = await client.get(Node, { name: cluster.nodes[0]!.name });
  const cpus = Number(node.status!.allocatable!.cpu);
  const at = (name: string) => ({ namespace: 'default', name });
  const sized = (cpu: number) => ({
    name: 'c',
    image: 'busybox',
    resources: { requests: { cpu: `${cpu}` } },
  });
  const run = async (name: string, cpu: number, spec: object = {}) => {
    await client.create(Pod, { metadata: at(name), spec: { containers: [sized(cpu)], ...spec } });
    await cluster.until(async () => (await client.get(Pod, at(name))).status?.phase === 'Running');
  };
  await client.create(PriorityClass, { metadata: { name: 'important' }, value: 1000 });
  await run('big', Math.floor((cpus * 2) / 3));
  await run('low', 1);
  await run('high', 1, { priorityClassName: 'important' });
  const pending = async (name: string) =>
    (await client.get(Pod, at(name))).status?.conditions?.find(({ type }) => type === 'PodResizePending');
  const granted = async (name: string) =>
    (await client.get(Pod, at(name))).status?.containerStatuses?.[0]?.allocatedResources?.cpu;
  const more = Math.floor((cpus * 2) / 3);
  for (const name of ['low', 'high']) {
    await client.patch(
      Pod,
      at(name),
      { spec: { containers: [sized(more)] } },
      { type: 'strategic', subresource: 'resize' },
    );
    await cluster.until(async () => (await pending(name))?.reason === 'Deferred');
  }
  const began = cluster.clock.now();
  await client.delete(Pod, at('big'), { gracePeriodSeconds: 1 });
  await cluster.until(async () => (await granted('high')) === `${more}`);
  assert.ok(cluster.clock.now() - began < 10_000, 'at once');
  assert.equal(await granted('low'), '1');
  assert.equal((await pending('low'))?.reason, 'Deferred');
  await client.delete(Pod, at('high'), { gracePeriodSeconds: 1 });
  await cluster.until(async () => (await granted('low')) === `${more}`);
  assert.equal(await pending('low'), undefined);
});

test('a pod as a whole is given more when the node has it, and its status shows what it has until then', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client } = cluster;
  const node = await client.get(Node, { name: cluster.nodes[0]!.name });
  const cpus = Number(node.status!.allocatable!.cpu);
  const at = (name: string) => ({ namespace: 'default', name });
  const run = async (name: string, cpu: number) => {
    const spec = {
      containers: [{ name: 'c', image: 'busybox' }],
      resources: { requests: { cpu: `${cpu}` } },
    };
    await client.create(Pod, { metadata: at(name), spec });
    await cluster.until(async () => (await client.get(Pod, at(name))).status?.phase === 'Running');
  };
  const statusOf = async (name: string) => (await client.get(Pod, at(name))).status!;
  await run('a', 1);
  await run('b', cpus - 2);
  assert.deepEqual((await statusOf('a')).resources, { requests: { cpu: '1' } });
  const patch = { spec: { resources: { requests: { cpu: '3' } } } };
  await client.patch(Pod, at('a'), patch, { type: 'strategic', subresource: 'resize' });
  const pending = async () =>
    (await statusOf('a')).conditions?.find(({ type }) => type === 'PodResizePending')?.reason;
  await cluster.until(async () => (await pending()) === 'Deferred');
  assert.deepEqual((await statusOf('a')).allocatedResources, { cpu: '1' });
  const resized = () =>
    /^kubelet_pod_resize_duration_milliseconds_count\{success="true"\} (\d+)$/m.exec(
      cluster.nodes[0]!.metrics.expose(),
    )?.[1];
  assert.equal(resized(), undefined);
  await client.delete(Pod, at('b'), { gracePeriodSeconds: 1 });
  await cluster.until(async () => (await statusOf('a')).resources?.requests?.cpu === '3');
  assert.deepEqual((await statusOf('a')).allocatedResources, { cpu: '3' });
  assert.equal(await pending(), undefined);
  assert.equal(resized(), '1');
});

test('a container that is bounded by the pod alone restarts by its policy when that bound changes', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client } = cluster;
  const at = (name: string) => ({ namespace: 'default', name });
  const resources = { requests: { cpu: '1', memory: '1Mi' }, limits: { cpu: '1', memory: '1Gi' } };
  const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' as const }];
  const containers = [
    { name: 'c', image: 'busybox', resizePolicy },
    { name: 'free', image: 'busybox', resources: { limits: { cpu: '100m' } }, resizePolicy },
  ];
  await client.create(Pod, { metadata: at('a'), spec: { containers, resources } });
  const restarts = async () => {
    const { phase, containerStatuses = [] } = (await client.get(Pod, at('a'))).status!;
    return phase === 'Running' && containerStatuses.map(({ restartCount }) => restartCount).join(' ');
  };
  await cluster.until(async () => (await restarts()) === '0 0');
  const patch = { spec: { resources: { limits: { cpu: '2' } } } };
  await client.patch(Pod, at('a'), patch, { type: 'strategic', subresource: 'resize' });
  await cluster.until(async () => (await restarts()) === '1 0');
});

test('a status that has observed a resize, with none in progress, shows its result', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client } = cluster;
  const at = { namespace: 'default', name: 'p' };
  const container = (memory: string) => ({
    name: 'c',
    image: 'busybox',
    resources: { requests: { memory } },
    resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
  });
  await client.create(Pod, { metadata: at, spec: { containers: [container('10Mi')] } });
  const get = () => client.get(Pod, at);
  await cluster.until(async () => (await get()).status?.phase === 'Running');
  const stop = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { object } of client.watch(Pod, { namespace: 'default' }, stop.signal)) {
      const { observedGeneration = 0, conditions = [], containerStatuses = [] } = object.status ?? {};
      if (observedGeneration < 2) continue;
      const isUnderWay = conditions.some(({ type }) => type.startsWith('PodResize'));
      const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
      const [own] = containerStatuses;
      seen.push(
        isUnderWay ? 'under way' : `${isReady} ${own?.restartCount} ${own?.resources?.requests?.memory}`,
      );
    }
  })().catch(() => undefined);
  const patch = { spec: { containers: [container('20Mi')] } };
  await client.patch(Pod, at, patch, { type: 'strategic', subresource: 'resize' });
  await cluster.until(async () => seen.at(-1) === 'true 1 20Mi');
  stop.abort();
  await watching;
  assert.equal(seen[0], 'under way');
  assert.deepEqual(
    seen.filter((state) => state.startsWith('true')),
    seen.filter((state) => state === 'true 1 20Mi'),
    seen.join(', '),
  );
  const reasons = async () =>
    (await client.list(Event, { namespace: 'default' })).items.map(({ reason }) => reason ?? '');
  await cluster.until(async () => (await reasons()).includes('ResizeCompleted'));
});
