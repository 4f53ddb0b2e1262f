import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  Event,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StorageClass,
} from '../../src/api/resources.gen.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';
import { bound, claim, eventsOf, failedRecycles, namespace, phaseOf, volume, volumePhase } from './claims.ts';
import { createCluster } from './cluster.ts';

test('a class makes a volume for its claim, and takes it away after it', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(StorageClass, {
    metadata: { name: 'fast' },
    provisioner: 'k8s.io/minikube-hostpath',
    parameters: { type: 'pd-ssd' },
  });
  await client.create(PersistentVolumeClaim, claim('mongodb-pvc', '100Mi', 'fast'));
  await bound(cluster, 'mongodb-pvc');
  const { metadata, spec } = await client.get(PersistentVolumeClaim, { name: 'mongodb-pvc', namespace });
  assert.equal(spec?.volumeName, `pvc-${metadata.uid}`);
  const { spec: made } = await client.get(PersistentVolume, { name: `pvc-${metadata.uid}` });
  const path = made?.hostPath?.path ?? '';
  assert.match(path, /^\/var\/lib\/wherry-volumes\//, 'not in the data folder, which outlives the cluster');
  const events = await eventsOf(client, 'mongodb-pvc');
  assert.ok(
    events.includes(
      `Normal ProvisioningSucceeded wherry.dev/hostpath Successfully provisioned volume pvc-${metadata.uid}`,
    ),
    events.join('\n'),
  );
  await client.delete(PersistentVolumeClaim, { name: 'mongodb-pvc', namespace });
  await cluster.until(async () => (await client.list(PersistentVolume)).items.length === 0);
});

test('claims of one pod get volumes on one node, those of a StatefulSet spread with its pods', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client } = cluster;
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) await client.create(PersistentVolumeClaim, claim(name, '1Gi', 'standard'));
  await client.create(Pod, {
    metadata: { name: 'web', namespace },
    spec: {
      containers: [{ name: 'c', image: 'web' }],
      volumes: names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    },
  } as Draft<Pod>);
  const template = (name: string) => {
    const { metadata: _, spec } = claim(name, '1Gi', 'standard');
    return { metadata: { name }, spec };
  };
  await client.create(
    StatefulSet,
    sparse<Draft<StatefulSet>>({
      metadata: { name: 'db', namespace },
      spec: {
        serviceName: 'db',
        replicas: 4,
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: { app: 'db' } },
        template: {
          metadata: { labels: { app: 'db' } },
          spec: { containers: [{ name: 'c', image: 'db' }] },
        },
        volumeClaimTemplates: [template('data'), template('log'), template('tmp')],
      },
    }),
  );
  const running = async () =>
    (await client.list(Pod, { namespace })).items.filter(({ status }) => status?.phase === 'Running');
  await cluster.until(async () => (await running()).length === 5);
  const members = (await running()).filter(({ metadata }) => metadata.labels?.app === 'db');
  assert.equal(new Set(members.map(({ spec }) => spec.nodeName)).size, 2);
});

test('a volume of a class with topologies is made where they allow it, or not at all', async () => {
  await using cluster = await createCluster({ nodes: 3 });
  const { client } = cluster;
  const { items: nodes } = await client.list(Node);
  const hostname = (name: string) => ({ key: 'kubernetes.io/hostname', values: [name] });
  for (const name of [...nodes.map(({ metadata }) => metadata.name), 'nowhere'])
    await client.create(StorageClass, {
      metadata: { name: `on-${name}` },
      provisioner: 'rancher.io/local-path',
      allowedTopologies: [{ matchLabelExpressions: [hostname(name)] }],
    });
  await client.create(PersistentVolumeClaim, claim('none', '1Gi', 'on-nowhere'));
  for (const { metadata } of nodes) {
    await client.create(PersistentVolumeClaim, claim(metadata.name, '1Gi', `on-${metadata.name}`));
    await bound(cluster, metadata.name);
    const { spec } = await client.get(PersistentVolumeClaim, { name: metadata.name, namespace });
    const made = await client.get(PersistentVolume, { name: spec!.volumeName! });
    const [term] = made.spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
    assert.deepEqual(term?.matchExpressions?.[0]?.values, [metadata.name]);
  }
  assert.equal(await phaseOf(client, 'none'), 'Pending');
});

test('a volume is made once, also for a claim that changes before it is bound', async () => {
  await using cluster = await createCluster({ nodes: 3 });
  const { client } = cluster;
  const { spec } = claim('data', '1Gi', 'standard');
  await client.create(
    StatefulSet,
    sparse<Draft<StatefulSet>>({
      metadata: { name: 'db', namespace },
      spec: {
        serviceName: 'db',
        replicas: 3,
        podManagementPolicy: 'Parallel',
        // The set becomes the owner of each claim right after it has created it.
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
        selector: { matchLabels: { app: 'db' } },
        template: {
          metadata: { labels: { app: 'db' } },
          spec: { containers: [{ name: 'c', image: 'db' }] },
        },
        volumeClaimTemplates: [{ metadata: { name: 'data' }, spec }],
      },
    }),
  );
  for (const ordinal of [0, 1, 2]) await bound(cluster, `data-db-${ordinal}`);
  const { items } = await client.list(Event, { namespace });
  const counts = items
    .filter(({ reason }) => reason === 'Provisioning' || reason === 'ProvisioningSucceeded')
    .map(({ involvedObject, reason, count }) => `${involvedObject.name} ${reason} ${count}`);
  const expected = [0, 1, 2].flatMap((ordinal) =>
    ['Provisioning', 'ProvisioningSucceeded'].map((reason) => `data-db-${ordinal} ${reason} 1`),
  );
  assert.deepEqual(counts.sort(), expected);
});

test('a claim without a class gets the default one, and with an empty class none', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolumeClaim, claim('any', '1Gi'));
  await client.create(PersistentVolumeClaim, claim('hand-made', '1Gi', ''));
  await bound(cluster, 'any');
  assert.equal(
    (await client.get(PersistentVolumeClaim, { name: 'any', namespace })).spec?.storageClassName,
    'standard',
  );
  assert.equal(await phaseOf(client, 'hand-made'), 'Pending');
});

test('why a claim waits is said again every 15 seconds, and at once when the claim was changed', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', 'missing'));
  const said = async () => {
    const { items } = await client.list(Event, { namespace });
    const ours = items.filter(({ involvedObject }) => involvedObject.name === 'data');
    return ours.map(({ reason, message, count }) => `${reason} x${count}: ${message}`);
  };
  const times = (count: number) => [
    `ProvisioningFailed x${count}: storageclass.storage.k8s.io "missing" not found`,
  ];
  await cluster.clock.advance(10_000);
  assert.deepEqual(await said(), times(1));
  await cluster.clock.advance(60_000);
  assert.deepEqual(await said(), times(5));
  const labels = { metadata: { labels: { a: 'b' } } };
  await client.patch(PersistentVolumeClaim, { name: 'data', namespace }, labels, { type: 'merge' });
  await cluster.clock.advance(1_000);
  assert.deepEqual(await said(), times(6));
  await client.create(PersistentVolume, volume('disk', '1Gi', { storageClassName: 'missing' }));
  await bound(cluster, 'data');
  await cluster.clock.advance(60_000);
  assert.deepEqual(await said(), times(6));
});

test('that a provisioner is waited for is said once, and then every 15 seconds', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(StorageClass, { metadata: { name: 'far' }, provisioner: 'example.com/far' });
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', 'far'));
  const counts = async () => {
    const { items } = await client.list(Event, { namespace });
    const ours = items.filter(({ involvedObject }) => involvedObject.name === 'data');
    return ours.map(({ reason, count }) => `${reason} x${count}`);
  };
  await cluster.clock.advance(10_000);
  assert.deepEqual(await counts(), ['ExternalProvisioning x1']);
  await cluster.clock.advance(30_000);
  assert.deepEqual(await counts(), ['ExternalProvisioning x3']);
});

test('a claim that waits for its pod gets a volume on the node of the pod', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client } = cluster;
  await client.create(StorageClass, {
    metadata: { name: 'late' },
    provisioner: 'rancher.io/local-path',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', 'late'));
  await cluster.clock.advance(5_000);
  const waiting =
    'Normal WaitForFirstConsumer persistentvolume-controller waiting for first consumer to be created before binding';
  assert.ok((await eventsOf(client, 'data')).includes(waiting));
  await client.create(Pod, {
    metadata: { name: 'web', namespace },
    spec: {
      containers: [{ name: 'c', image: 'web' }],
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
    },
  } as Draft<Pod>);
  await cluster.until(
    async () => (await client.get(Pod, { name: 'web', namespace })).status?.phase === 'Running',
  );
  const pod = await client.get(Pod, { name: 'web', namespace });
  const { spec } = await client.get(PersistentVolumeClaim, { name: 'data', namespace });
  const { nodeAffinity } = (await client.get(PersistentVolume, { name: spec!.volumeName! })).spec!;
  assert.deepEqual(nodeAffinity?.required?.nodeSelectorTerms?.[0]?.matchExpressions?.[0]?.values, [
    pod.spec?.nodeName,
  ]);
  const told = (await eventsOf(client, 'data')).join();
  assert.doesNotMatch(told, /WaitForPodScheduled/, 'a pod that is scheduled at once is nothing to tell');
});

test('a bound claim grows with what it asks for', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', 'standard'));
  await bound(cluster, 'data');
  await client.patch(
    PersistentVolumeClaim,
    { name: 'data', namespace },
    { spec: { resources: { requests: { storage: '3Gi' } } } },
    { type: 'merge' },
  );
  await cluster.until(
    async () =>
      (await client.get(PersistentVolumeClaim, { name: 'data', namespace })).status?.capacity?.storage ===
      '3Gi',
  );
  // What today's tools look at: no resize is under way, and this much is allocated.
  const { status } = await client.get(PersistentVolumeClaim, { name: 'data', namespace });
  assert.equal(status?.allocatedResources?.storage, '3Gi');
  assert.equal(status?.allocatedResourceStatuses, undefined);
});

test('a volume that others made grows by their hands, and is recycled by none', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(StorageClass, {
    metadata: { name: 'theirs' },
    provisioner: 'example.com/theirs',
    allowVolumeExpansion: true,
  });
  const nfs = { server: '192.0.2.1', path: '/' };
  const more = { hostPath: undefined, nfs, persistentVolumeReclaimPolicy: 'Recycle' };
  await client.create(PersistentVolume, volume('v', '1Gi', { ...more, storageClassName: 'theirs' }));
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', 'theirs'));
  await bound(cluster, 'data');
  const at = { name: 'data', namespace };
  const larger = { spec: { resources: { requests: { storage: '3Gi' } } } };
  await client.patch(PersistentVolumeClaim, at, larger, { type: 'merge' });
  const expected =
    'Normal ExternalExpanding volume_expand waiting for an external controller to expand this PVC';
  await cluster.until(async () => (await eventsOf(client, 'data')).includes(expected));
  await client.delete(PersistentVolumeClaim, at);
  await cluster.until(async () => (await volumePhase(client, 'v')) === 'Failed');
  const { status } = await client.get(PersistentVolume, { name: 'v' });
  assert.equal(status?.message, 'No recycler plugin found for the volume!');
  await cluster.clock.advance(10_000);
  assert.equal(await failedRecycles(client), 1, 'it is left at that for a while');
  const keep = { spec: { persistentVolumeReclaimPolicy: 'Retain' } };
  await client.patch(PersistentVolume, { name: 'v' }, keep, { type: 'merge' });
  await cluster.clock.advance(60_000);
  assert.equal(await failedRecycles(client), 1, 'what asks for nothing cannot fail');
});
