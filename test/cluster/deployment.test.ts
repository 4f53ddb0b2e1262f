import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import { Deployment, Event, Pod, ReplicaSet } from '../../src/api/resources.gen.ts';
import { isPodActive, isPodReady } from '../../src/controllers/pods/pod-state.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { deploymentOf, withImage } from './workloads.ts';

const namespace = 'default';
const at = { name: 'web', namespace };
const web = (cluster: Cluster) => cluster.client.get(Deployment, at);
const patch = (cluster: Cluster, body: object) =>
  cluster.client.patch(Deployment, at, body, { type: 'strategic' });

async function rolledOut(cluster: Cluster): Promise<void> {
  await cluster.until(async () => {
    const { metadata, spec, status } = await web(cluster);
    const wanted = spec?.replicas;
    const isSeen = status?.observedGeneration === metadata.generation;
    return (
      isSeen &&
      [status?.updatedReplicas, status?.replicas, status?.availableReplicas].every((one) => one === wanted)
    );
  });
}

async function revisions(cluster: Cluster): Promise<Record<string, number>> {
  const { items } = await cluster.client.list(ReplicaSet, { namespace });
  const revisionOf = (rs: ReplicaSet) => rs.metadata.annotations?.['deployment.kubernetes.io/revision'] ?? '';
  return Object.fromEntries(items.map((rs) => [revisionOf(rs), rs.spec?.replicas ?? 0]));
}

test('a Deployment creates its pods, with events', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Deployment, deploymentOf('web', 3));
  await rolledOut(cluster);
  await cluster.clock.advance(1_000);
  const [set] = (await client.list(ReplicaSet, { namespace })).items;
  assert.match(set!.metadata.name, /^web-[bcdfghjklmnpqrstvwxz2456789]+$/);
  const messages = (await client.list(Event, { namespace })).items.map((event) => event.message);
  assert.ok(messages.includes(`Scaled up replica set ${set!.metadata.name} from 0 to 3`));
});

test('no state of a rolling update is outside its bounds', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client } = cluster;
  const strategy = { strategy: { rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } } };
  const created = await client.create(Deployment, deploymentOf('web', 10, 'web:1', strategy));
  await rolledOut(cluster);
  const states: [active: number, ready: number][] = [];
  const pods = new Map<string, Pod>();
  const stop = new AbortController();
  void (async () => {
    const query = { namespace, resourceVersion: created.metadata.resourceVersion };
    for await (const { type, object } of client.watch(Pod, query, stop.signal)) {
      if (type === 'BOOKMARK') continue;
      if (type === 'DELETED') pods.delete(object.metadata.uid);
      else pods.set(object.metadata.uid, object);
      const active = [...pods.values()].filter(isPodActive);
      states.push([active.length, active.filter(isPodReady).length]);
    }
  })();
  await cluster.clock.advance(1);
  const before = states.length;
  await patch(cluster, withImage('web:2'));
  await rolledOut(cluster);
  stop.abort(new Error('seen enough'));
  const during = states.slice(before);
  assert.ok(during.length > 30);
  for (const [active, ready] of during)
    assert.ok(active <= 12 && ready >= 9, `${active} pods, ${ready} ready`);
});

test('a canary: paused in mid-rollout, the old and the new pods run side by side until it goes on', async () => {
  await using cluster = await createCluster();
  const strategy = { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
  await cluster.client.create(Deployment, deploymentOf('web', 3, 'web:1', strategy));
  await rolledOut(cluster);
  await patch(cluster, withImage('web:2'));
  await patch(cluster, { spec: { paused: true } });
  await cluster.clock.advance(30_000);
  assert.deepEqual(await revisions(cluster), { 1: 3, 2: 1 });
  await patch(cluster, { spec: { paused: false } });
  await rolledOut(cluster);
  assert.deepEqual(await revisions(cluster), { 1: 0, 2: 3 });
});

test('undo goes back to an earlier revision under a new number, and only a limited number are kept', async () => {
  await using cluster = await createCluster();
  await cluster.client.create(Deployment, deploymentOf('web', 2, 'web:1', { revisionHistoryLimit: 2 }));
  await rolledOut(cluster);
  for (const image of ['web:2', 'web:3', 'web:4', 'web:2']) {
    await patch(cluster, withImage(image));
    await rolledOut(cluster);
  }
  await cluster.clock.advance(5_000);
  // web:2 was revision 2 and is 5 now; web:1 is beyond the limit.
  assert.deepEqual(await revisions(cluster), { 3: 0, 4: 0, 5: 2 });
  const { items } = await cluster.client.list(ReplicaSet, { namespace });
  const current = items.find((rs) => rs.spec?.replicas === 2);
  assert.equal(current?.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '2');
});

test('a change in mid-rollout leaves the half-made set behind', async () => {
  await using cluster = await createCluster();
  await cluster.client.create(Deployment, deploymentOf('web', 4));
  await rolledOut(cluster);
  await patch(cluster, withImage('never:1'));
  await cluster.clock.advance(50);
  await patch(cluster, withImage('web:3'));
  await rolledOut(cluster);
  assert.deepEqual(await revisions(cluster), { 1: 0, 2: 0, 3: 4 });
});

test('a pod that became available before its set says so is not cleaned up as unhealthy', async () => {
  await using cluster = await createCluster({
    nodes: 0,
    scheduler: false,
    controllers: ['deployment', 'serviceaccount'],
  });
  const { client } = cluster;
  /** Gives the set pods, and the status that it had before they were `ready`. */
  const fill = async (rs: ReplicaSet, ready: boolean[]) => {
    const controller = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: rs.metadata.name,
      uid: rs.metadata.uid,
    };
    for (const [index, isReady] of ready.entries()) {
      const metadata = {
        name: `${rs.metadata.name}-${index}`,
        namespace,
        labels: rs.spec!.template!.metadata!.labels!,
        ownerReferences: [{ ...controller, controller: true }],
      };
      const pod = await client.create(Pod, { metadata, spec: rs.spec!.template!.spec! } as Draft<Pod>);
      const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
      const status = { phase: 'Running' as const, conditions };
      await client.update(Pod, { ...pod, status }, { subresource: 'status' });
    }
    const latest = await client.get(ReplicaSet, rs.metadata);
    const status = { replicas: ready.length, observedGeneration: latest.metadata.generation };
    await client.update(ReplicaSet, { ...latest, status }, { subresource: 'status' });
  };
  const setOf = async (image: string) => {
    const { items } = await client.list(ReplicaSet, { namespace });
    return items.find(({ spec }) => spec?.template?.spec?.containers[0]?.image === image);
  };
  const newSet = async (image: string): Promise<ReplicaSet> => {
    await cluster.until(async () => (await setOf(image)) !== undefined);
    return (await setOf(image))!;
  };
  const bounds = { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
  await client.create(Deployment, deploymentOf('web', 4, 'web:1', bounds));
  await fill(await newSet('web:1'), [true, true, true, true]);
  await cluster.clock.advance(1_000);
  await patch(cluster, withImage('web:2'));
  await fill(await newSet('web:2'), [false]);
  await patch(cluster, withImage('web:3'));
  await fill(await newSet('web:3'), []);
  await cluster.until(async () => (await setOf('web:2'))?.spec?.replicas === 0);
  assert.equal((await setOf('web:1'))?.spec?.replicas, 4);
});

test('ReplicaSets and pods that match are adopted when their Deployment comes back', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Deployment, deploymentOf('web', 2));
  await rolledOut(cluster);
  await client.delete(Deployment, at, { propagationPolicy: 'Orphan' });
  await cluster.clock.advance(5_000);
  const before = (await client.list(Pod, { namespace })).items.map((pod) => pod.metadata.uid).sort();
  await client.create(Deployment, deploymentOf('web', 2));
  await rolledOut(cluster);
  const after = (await client.list(Pod, { namespace })).items.map((pod) => pod.metadata.uid).sort();
  assert.deepEqual(after, before);
});

test('rollbackTo of the old versions goes back, says so, and is gone from the object', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Deployment, deploymentOf('web', 2));
  await rolledOut(cluster);
  await patch(cluster, withImage('web:2'));
  await rolledOut(cluster);

  const path = '/apis/extensions/v1beta1/namespaces/default/deployments/web/rollback';
  const rollBack = (revision: number, updatedAnnotations = {}) =>
    client.raw<{ message: string }>('POST', path, {
      kind: 'DeploymentRollback',
      apiVersion: 'extensions/v1beta1',
      name: 'web',
      rollbackTo: { revision },
      updatedAnnotations,
    });
  assert.equal(
    (await rollBack(0, { by: 'hand' })).message,
    'rollback request for deployment "web" succeeded',
  );
  await cluster.clock.advance(1_000);
  await rolledOut(cluster);
  const { metadata, spec } = await web(cluster);
  assert.equal(spec?.template.spec?.containers[0]?.image, 'web:1');
  assert.equal(metadata.annotations?.['deprecated.deployment.rollback.to'], undefined);
  assert.deepEqual(await revisions(cluster), { 2: 0, 3: 2 });

  for (const revision of [3, 77]) {
    await rollBack(revision);
    await cluster.clock.advance(1_000);
  }
  const events = (await client.list(Event, { namespace })).items
    .filter(({ reason }) => reason?.startsWith('DeploymentRollback'))
    .map(({ reason, message }) => `${reason}: ${message}`);
  assert.deepEqual(events.sort(), [
    'DeploymentRollback: Rolled back deployment "web" to revision 1',
    'DeploymentRollbackRevisionNotFound: Unable to find the revision to rollback to.',
    'DeploymentRollbackTemplateUnchanged: The rollback revision contains the same template as current deployment "web"',
  ]);
});
