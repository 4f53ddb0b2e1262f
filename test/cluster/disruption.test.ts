import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import { Event, Pod, PodDisruptionBudget, ReplicaSet } from '../../src/api/resources.gen.ts';
import { StatusError } from '../../src/api/status.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { replicaSetOf } from './workloads.ts';

const namespace = 'default';
const pods = async ({ client }: Cluster) => (await client.list(Pod, { namespace })).items;
const isReady = (pod: Pod) =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
const disruptionOf = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
const readyPods = (cluster: Cluster, count: number) =>
  cluster.until(async () => (await pods(cluster)).filter(isReady).length === count);

function evict({ client }: Cluster, { metadata }: Pod, deleteOptions: object = {}): Promise<unknown> {
  const { name } = metadata;
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace },
    deleteOptions,
  };
  return client.createSubresource(Pod, { name, namespace }, eviction, { subresource: 'eviction' });
}

function budget(spec: object): Draft<PodDisruptionBudget> {
  const selector = { matchLabels: { app: 'web' } };
  return {
    metadata: { name: 'web', namespace },
    spec: { selector, ...spec },
  } as Draft<PodDisruptionBudget>;
}

test('an evicted pod says why it goes; a dry run leaves it as it is', async () => {
  await using cluster = await createCluster();
  await cluster.client.create(ReplicaSet, replicaSetOf('web', 1));
  await readyPods(cluster, 1);
  const [pod] = await pods(cluster);
  await evict(cluster, pod!, { dryRun: ['All'] });
  assert.equal((await pods(cluster))[0]!.metadata.resourceVersion, pod!.metadata.resourceVersion);
  const { uid, resourceVersion } = pod!.metadata;
  await evict(cluster, pod!, { preconditions: { uid, resourceVersion } });
  const going = (await pods(cluster)).find(({ metadata }) => metadata.uid === uid);
  const { reason, message, status } = disruptionOf(going!)!;
  assert.deepEqual(
    [going!.metadata.deletionTimestamp !== undefined, status, reason, message],
    [true, 'True', 'EvictionByEvictionAPI', 'Eviction API: evicting'],
  );
});

test('a pod that was to be disrupted and was not says so no longer after two minutes', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(ReplicaSet, replicaSetOf('web', 2));
  await readyPods(cluster, 2);
  const mark = async (pod: Pod, reason: string) => {
    const lastTransitionTime = new Date(clock.now()).toISOString().replace(/\.\d+/, '');
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason,
      message: 'soon',
      lastTransitionTime,
    };
    const patch = { status: { conditions: [condition] } };
    await client.patch(Pod, pod.metadata, patch, { type: 'strategic', subresource: 'status' });
  };
  const [first, second] = await pods(cluster);
  await mark(first!, 'PreemptionByScheduler');
  await mark(second!, 'TerminationByKubelet');
  const statuses = async () => (await pods(cluster)).map((pod) => disruptionOf(pod)?.status);
  await clock.advance(115_000);
  assert.deepEqual(await statuses(), ['True', 'True']);
  await clock.advance(10_000);
  assert.deepEqual(await statuses(), ['False', 'True']);
});

test('pods that are not ready may go where the budget says so, or where it is met without them', async () => {
  for (const [spec, mayGo] of [
    [{ minAvailable: 2 }, false],
    [{ minAvailable: 2, unhealthyPodEvictionPolicy: 'AlwaysAllow' }, true],
    [{ minAvailable: 1, unhealthyPodEvictionPolicy: 'IfHealthyBudget' }, true],
  ] as const) {
    await using cluster = await createCluster();
    const { client, clock } = cluster;
    const create = (name: string, spec: object) =>
      client.create(Pod, {
        metadata: { name, namespace, labels: { app: 'web' } },
        spec: { containers: [{ name: 'c', image: 'web:1' }], ...spec },
      } as Draft<Pod>);
    await clock.advance(1_000);
    await create('well', {});
    // It runs, and never becomes ready: nothing opens its gate.
    await create('gated', { readinessGates: [{ conditionType: 'example.com/gate' }] });
    await client.create(PodDisruptionBudget, budget(spec));
    await clock.advance(10_000);
    const pod = await client.get(Pod, { name: 'gated', namespace });
    assert.deepEqual([pod.status?.phase, isReady(pod)], ['Running', false]);
    const outcome = await evict(cluster, pod).then(
      () => true,
      (error: unknown) => {
        if (error instanceof StatusError && error.code === 429) return false;
        throw error;
      },
    );
    assert.equal(outcome, mayGo, JSON.stringify(spec));
  }
});

test('a pod of two budgets gets an event that it has too many', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(ReplicaSet, replicaSetOf('web', 1));
  await readyPods(cluster, 1);
  const [pod] = await pods(cluster);
  const { spec } = budget({ minAvailable: 1 });
  for (const name of ['b', 'a'])
    await client.create(PodDisruptionBudget, {
      metadata: { name, namespace },
      spec,
    } as Draft<PodDisruptionBudget>);
  const events = async () =>
    (await client.list(Event, { namespace })).items.filter(
      ({ reason }) => reason === 'MultiplePodDisruptionBudgets',
    );
  await cluster.until(async () => (await events()).length > 0);
  const { name } = pod!.metadata;
  assert.deepEqual(
    (await events()).map(({ message }) => message),
    [`Pod "default"/"${name}" matches multiple PodDisruptionBudgets.  Chose "a" arbitrarily.`],
  );
});
