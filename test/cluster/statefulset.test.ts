import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ConfigMap,
  ControllerRevision,
  Event,
  PersistentVolumeClaim,
  Pod,
  ResourceQuota,
  StatefulSet,
} from '../../src/api/resources.gen.ts';
import { undefinedIfNotFound } from '../../src/api/status.ts';
import { isPodActive, isPodReady } from '../../src/controllers/pods/pod-state.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { statefulSetOf, withImage } from './workloads.ts';

const namespace = 'default';
const at = { name: 'db', namespace };
const patch = (cluster: Cluster, body: object) =>
  cluster.client.patch(StatefulSet, at, body, { type: 'strategic' });

/** Pods as `kubectl get pods -w` shows them come and go: `+db-0`, `~db-0` (on its way out), `-db-0`. */
async function followPods(cluster: Cluster): Promise<string[]> {
  const log: string[] = [];
  const { metadata } = await cluster.client.list(Pod, { namespace });
  const query = { namespace, resourceVersion: metadata.resourceVersion };
  void (async () => {
    for await (const { type, object } of cluster.client.watch(Pod, query, new AbortController().signal)) {
      const { name, deletionTimestamp } = object.metadata;
      const mark = type === 'ADDED' ? '+' : type === 'DELETED' ? '-' : deletionTimestamp ? '~' : '';
      if (mark && log.at(-1) !== mark + name) log.push(mark + name);
    }
  })();
  return log;
}

async function settled(cluster: Cluster): Promise<void> {
  await cluster.until(async () => {
    const { spec, status, metadata } = await cluster.client.get(StatefulSet, at);
    const isSeen = status?.observedGeneration === metadata.generation;
    return isSeen && status?.readyReplicas === spec?.replicas && status?.replicas === spec?.replicas;
  });
}

test('pods are made, updated and removed in order', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const log = await followPods(cluster);
  await cluster.client.create(StatefulSet, statefulSetOf('db', 3));
  await settled(cluster);
  assert.deepEqual(log.splice(0), ['+db-0', '+db-1', '+db-2']);
  await patch(cluster, withImage('db:2'));
  await cluster.until(async () => (await cluster.client.get(StatefulSet, at)).status?.updatedReplicas === 3);
  await settled(cluster);
  const one = (name: string) => [`~${name}`, `-${name}`, `+${name}`];
  assert.deepEqual(log.splice(0), [...one('db-2'), ...one('db-1'), ...one('db-0')]);
  await patch(cluster, { spec: { replicas: 1 } });
  await settled(cluster);
  assert.deepEqual(log, ['~db-2', '-db-2', '~db-1', '-db-1']);
});

test('pods keep their name, host name and claims when they are recreated', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  await client.create(
    StatefulSet,
    statefulSetOf('db', 2, 'db:1', { volumeClaimTemplates: [claim], podManagementPolicy: 'Parallel' }),
  );
  await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 2);
  const claims = async () =>
    (await client.list(PersistentVolumeClaim, { namespace })).items
      .map(({ metadata }) => metadata.name)
      .sort();
  assert.deepEqual(await claims(), ['data-db-0', 'data-db-1']);
  const pod = await client.get(Pod, { name: 'db-1', namespace });
  assert.deepEqual([pod.spec?.hostname, pod.spec?.subdomain], ['db-1', 'db']);
  assert.deepEqual(
    pod.spec?.volumes?.find((volume) => volume.name === 'data')?.persistentVolumeClaim?.claimName,
    'data-db-1',
  );
  await client.delete(Pod, { name: 'db-1', namespace }, { gracePeriodSeconds: 0 });
  await cluster.until(async () =>
    (await client.list(Pod, { namespace })).items.some(
      ({ metadata }) => metadata.name === 'db-1' && metadata.uid !== pod.metadata.uid,
    ),
  );
  await patch(cluster, { spec: { replicas: 1 } });
  await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 1);
  await client.delete(StatefulSet, at);
  await cluster.clock.advance(60_000);
  // Neither scaling down nor deleting the set takes the data.
  assert.deepEqual(await claims(), ['data-db-0', 'data-db-1']);
});

test('claims go with the set, or with scaling down, where the set says so', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  const policy = { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } };
  await client.create(
    StatefulSet,
    statefulSetOf('db', 2, 'db:1', {
      volumeClaimTemplates: [claim],
      podManagementPolicy: 'Parallel',
      ...policy,
    }),
  );
  const live = async () =>
    (await client.list(PersistentVolumeClaim, { namespace })).items
      .filter(({ metadata }) => !metadata.deletionTimestamp)
      .map(({ metadata }) => metadata.name)
      .sort();
  await cluster.until(async () => (await live()).length === 2);
  await cluster.clock.advance(5_000);
  await patch(cluster, { spec: { replicas: 1 } });
  await cluster.until(async () => (await live()).join() === 'data-db-0', 120_000);
  await client.delete(StatefulSet, at);
  await cluster.until(async () => (await live()).length === 0, 120_000);
});

test('claims of a pod that is pending follow the policy at once and without an event, and contested ones are told of', async () => {
  await using cluster = await createCluster({ nodes: 0 });
  const { client } = cluster;
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const volumeClaimTemplates = ['data', 'log'].map((name) => ({ metadata: { name }, spec }));
  await client.create(StatefulSet, statefulSetOf('db', 2, 'db:1', { volumeClaimTemplates }));
  const owners = async (name: string) => {
    const { metadata } = await client.get(PersistentVolumeClaim, { name, namespace });
    return metadata.ownerReferences?.map(({ kind }) => kind) ?? [];
  };
  await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 1);
  const { metadata: held } = await client.create(ConfigMap, { metadata: { name: 'other', namespace } });
  const controller = { apiVersion: 'v1', kind: 'ConfigMap', name: 'other', uid: held.uid, controller: true };
  const taken = { metadata: { ownerReferences: [controller] } };
  await client.patch(PersistentVolumeClaim, { name: 'log-db-0', namespace }, taken, { type: 'merge' });
  await cluster.clock.advance(5_000);
  await patch(cluster, {
    spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } },
  });
  await cluster.until(async () => (await owners('data-db-0')).join() === 'StatefulSet');
  await cluster.clock.advance(30_000);
  assert.deepEqual(await owners('log-db-0'), ['ConfigMap']);
  const { items } = await client.list(Event, { namespace });
  const told = items.filter(({ involvedObject }) => involvedObject.kind === 'StatefulSet');
  assert.deepEqual(told.map(({ type, reason, message }) => `${type} ${reason}: ${message}`).sort(), [
    'Normal SuccessfulCreate: create Claim data-db-0 Pod db-0 in StatefulSet db success',
    'Normal SuccessfulCreate: create Claim log-db-0 Pod db-0 in StatefulSet db success',
    'Normal SuccessfulCreate: create Pod db-0 in StatefulSet db successful',
    'Warning ConflictingController: PersistentVolumeClaim log-db-0 has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim',
  ]);
});

test('a pod that waits for a claim of its name to go is made as soon as it is gone', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  const spec = {
    accessModes: ['ReadWriteOnce' as const],
    resources: { requests: { storage: '1Gi' } },
  };
  const held = { name: 'data-db-0', namespace, finalizers: ['example.com/hold'] };
  await client.create(PersistentVolumeClaim, { metadata: held, spec });
  await client.delete(PersistentVolumeClaim, held);
  const volumeClaimTemplates = [{ metadata: { name: 'data' }, spec }];
  await client.create(StatefulSet, statefulSetOf('db', 1, 'db:1', { volumeClaimTemplates }));
  await clock.advance(200_000);
  const pods = async () => (await client.list(Pod, { namespace })).items.length;
  assert.equal(await pods(), 0);
  await client.patch(PersistentVolumeClaim, held, { metadata: { finalizers: null } }, { type: 'merge' });
  await clock.advance(2_000);
  assert.equal(await pods(), 1);
});

test('events tell of pods and claims, also of those that cannot be had or are put right', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  await client.create(ResourceQuota, {
    metadata: { name: 'q', namespace },
    spec: { hard: { persistentvolumeclaims: '1' } },
  });
  await cluster.until(async () => {
    const quota = await client.get(ResourceQuota, { name: 'q', namespace });
    return quota.status?.used?.persistentvolumeclaims === '0';
  });
  const volumeClaimTemplates = [{ metadata: { name: 'data' }, spec }];
  await client.create(
    StatefulSet,
    statefulSetOf('db', 2, 'db:1', { volumeClaimTemplates, podManagementPolicy: 'Parallel' }),
  );
  const eventsOf = async () => {
    const { items } = await client.list(Event, { namespace });
    return items
      .filter(({ involvedObject }) => involvedObject.kind === 'StatefulSet')
      .map(({ reason, message }) => `${reason}: ${message}`);
  };
  await cluster.until(async () => (await eventsOf()).length >= 4);
  const refused =
    'persistentvolumeclaims "data-db-1" is forbidden: exceeded quota: q, requested: persistentvolumeclaims=1, ' +
    'used: persistentvolumeclaims=1, limited: persistentvolumeclaims=1';
  assert.deepEqual((await eventsOf()).sort(), [
    `FailedCreate: create Claim data-db-1 for Pod db-1 in StatefulSet db failed error: ${refused}`,
    `FailedCreate: create Pod db-1 in StatefulSet db failed error: failed to create PVC data-db-1: ${refused}`,
    'SuccessfulCreate: create Claim data-db-0 Pod db-0 in StatefulSet db success',
    'SuccessfulCreate: create Pod db-0 in StatefulSet db successful',
  ]);
  const unnamed = { metadata: { labels: { 'apps.kubernetes.io/pod-index': null } } };
  await client.patch(Pod, { name: 'db-0', namespace }, unnamed, { type: 'merge' });
  const update = 'SuccessfulUpdate: update Pod db-0 in StatefulSet db successful';
  await cluster.until(async () => (await eventsOf()).includes(update));
});

for (const podManagementPolicy of ['OrderedReady', 'Parallel'])
  test(`an update of ${podManagementPolicy} pods takes as many as may be unavailable, highest first, and never more`, async () => {
    await using cluster = await createCluster({ nodes: 2 });
    const { client } = cluster;
    const updateStrategy = { rollingUpdate: { maxUnavailable: 2 } };
    await client.create(StatefulSet, statefulSetOf('db', 5, 'db:1', { updateStrategy, podManagementPolicy }));
    await settled(cluster);
    const available: number[] = [];
    const gone: string[] = [];
    const pods = new Map(
      (await client.list(Pod, { namespace })).items.map((pod) => [pod.metadata.name, pod]),
    );
    const { metadata } = await client.list(Pod, { namespace });
    const query = { namespace, resourceVersion: metadata.resourceVersion };
    void (async () => {
      for await (const { type, object } of client.watch(Pod, query, new AbortController().signal)) {
        const { name, deletionTimestamp } = object.metadata;
        if (type === 'DELETED') pods.delete(name);
        else pods.set(name, object as Pod);
        if (deletionTimestamp && !gone.includes(name)) gone.push(name);
        available.push([...pods.values()].filter((pod) => isPodActive(pod) && isPodReady(pod)).length);
      }
    })();
    await patch(cluster, withImage('db:2'));
    await cluster.until(async () => (await client.get(StatefulSet, at)).status?.updatedReplicas === 5);
    await settled(cluster);
    assert.deepEqual(gone, ['db-4', 'db-3', 'db-2', 'db-1', 'db-0']);
    assert.ok(available.length > 20, 'every state was seen');
    assert.equal(Math.min(...available), 3, 'two at a time');
  });

test('a partition holds an update back, and letting it go completes it', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(StatefulSet, statefulSetOf('db', 4));
  await settled(cluster);
  await patch(cluster, { spec: { updateStrategy: { rollingUpdate: { partition: 2 } } } });
  await patch(cluster, withImage('db:2'));
  await cluster.clock.advance(30_000);
  const images = async () =>
    (await client.list(Pod, { namespace })).items.map((pod) => pod.spec?.containers[0]?.image);
  assert.deepEqual(await images(), ['db:1', 'db:1', 'db:2', 'db:2']);
  await patch(cluster, { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } });
  await cluster.until(async () => (await images()).every((image) => image === 'db:2'));
  await settled(cluster);
  const { status } = await client.get(StatefulSet, at);
  assert.equal(status?.currentRevision, status?.updateRevision);
});

test('a revision that a namesake left behind is taken over once it is free, not made a second time', async () => {
  const others = ['serviceaccount', 'rootca', 'nodeipam', 'nodelifecycle'];
  await using cluster = await createCluster({ controllers: ['statefulset', ...others] });
  const { client } = cluster;
  const revisions = async () => (await client.list(ControllerRevision, { namespace })).items;
  await client.create(StatefulSet, statefulSetOf('db', 0));
  await cluster.until(async () => (await revisions()).length === 1);
  const [left] = await revisions();
  // Without a garbage collector the revision keeps its owner, as it does for a while with one.
  await client.delete(StatefulSet, at, { propagationPolicy: 'Background' });
  await client.create(StatefulSet, statefulSetOf('db', 0));
  await cluster.clock.advance(2_000);
  assert.deepEqual(
    (await revisions()).map(({ metadata }) => metadata.uid),
    [left!.metadata.uid],
  );
  await client.patch(
    ControllerRevision,
    left!.metadata,
    { metadata: { ownerReferences: null } },
    { type: 'merge' },
  );
  const { metadata: set } = await client.get(StatefulSet, at);
  await cluster.until(async () => (await revisions())[0]!.metadata.ownerReferences?.[0]?.uid === set.uid);
  await cluster.until(async () => (await client.get(StatefulSet, at)).status?.observedGeneration === 1);
  assert.deepEqual(
    (await revisions()).map(({ metadata, revision }) => [metadata.name, revision]),
    [[left!.metadata.name, 1]],
  );
});

test('a StatefulSet that was made again uses no claim that is to go with its predecessor', async () => {
  // Without a garbage collector: the claim is as it is before that has got to it.
  await using cluster = await createCluster({
    controllers: ['serviceaccount', 'nodeipam', 'nodelifecycle', 'statefulset', 'pvcprotection'],
  });
  const { client, clock } = cluster;
  const draft = () =>
    statefulSetOf('db', 1, 'db:1', {
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    });
  const claim = { name: 'data-db-0', namespace };
  const owner = async () =>
    (await client.get(PersistentVolumeClaim, claim).catch(undefinedIfNotFound))?.metadata.ownerReferences?.[0]
      ?.uid;
  const pods = async () => (await client.list(Pod, { namespace })).items;

  const first = await client.create(StatefulSet, draft());
  await cluster.until(async () => (await owner()) === first.metadata.uid);
  await client.delete(StatefulSet, first.metadata, { propagationPolicy: 'Background' });
  for (const { metadata } of await pods()) await client.delete(Pod, metadata, { gracePeriodSeconds: 0 });
  const second = await client.create(StatefulSet, draft());
  await clock.advance(60_000);
  assert.deepEqual(await pods(), []);

  await client.delete(PersistentVolumeClaim, claim);
  await cluster.until(async () => (await pods()).length === 1, 120_000);
  await cluster.until(async () => (await owner()) === second.metadata.uid);
});

test('a StatefulSet that is deleted in the foreground tells how many of its pods are left', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const set = statefulSetOf('db', 2);
  await client.create(StatefulSet, {
    ...set,
    metadata: { ...set.metadata, finalizers: ['example.com/hold'] },
  });
  await cluster.until(async () => (await client.get(StatefulSet, at)).status?.readyReplicas === 2);
  await client.delete(StatefulSet, at, { propagationPolicy: 'Foreground' });
  await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 0, 90_000);
  await cluster.clock.advance(1_000);
  const { metadata, status } = await client.get(StatefulSet, at);
  assert.deepEqual(
    [status?.replicas, status?.readyReplicas, status?.availableReplicas, status?.updatedReplicas],
    [0, undefined, 0, undefined],
  );
  assert.equal(status?.observedGeneration, metadata.generation);
  assert.deepEqual((await client.list(ControllerRevision, { namespace })).items, []);
});
