import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  Event,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../src/api/resources.gen.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';
import type { Client } from '../../src/client/client.ts';
import { type Cluster, createCluster } from './cluster.ts';

const namespace = 'default';

function volume(name: string, storage: string, more: object = {}): Draft<PersistentVolume> {
  return {
    metadata: { name },
    spec: {
      capacity: { storage },
      accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: `/tmp/${name}` },
      ...more,
    },
  } as Draft<PersistentVolume>;
}

function claim(
  name: string,
  storage: string,
  storageClassName?: string,
  more: object = {},
): Draft<PersistentVolumeClaim> {
  return {
    metadata: { name, namespace },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage } },
      ...(storageClassName !== undefined && { storageClassName }),
      ...more,
    },
  } as Draft<PersistentVolumeClaim>;
}

const phaseOf = async (client: Client, name: string) =>
  (await client.get(PersistentVolumeClaim, { name, namespace })).status?.phase;
const volumePhase = async (client: Client, name: string) =>
  (await client.get(PersistentVolume, { name })).status?.phase;

async function eventsOf(client: Client, name: string): Promise<string[]> {
  const { items } = await client.list(Event, { namespace });
  return items
    .filter((event) => event.involvedObject.name === name)
    .map(({ type, reason, message, source }) => `${type} ${reason} ${source?.component} ${message}`);
}

async function bound(cluster: Cluster, name: string): Promise<void> {
  await cluster.until(async () => (await phaseOf(cluster.client, name)) === 'Bound');
}

test('a claim takes the smallest volume that is large enough, and both say so', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  for (const [name, size] of [
    ['large', '10Gi'],
    ['fitting', '2Gi'],
    ['small', '500Mi'],
  ] as const)
    await client.create(PersistentVolume, volume(name, size));
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', ''));
  await bound(cluster, 'data');
  const { spec, status, metadata } = await client.get(PersistentVolumeClaim, { name: 'data', namespace });
  assert.equal(spec?.volumeName, 'fitting');
  assert.deepEqual(status?.accessModes, ['ReadWriteOnce', 'ReadOnlyMany']);
  assert.deepEqual(status?.capacity, { storage: '2Gi' });
  assert.equal(metadata.annotations?.['pv.kubernetes.io/bind-completed'], 'yes');
  assert.equal(await volumePhase(client, 'fitting'), 'Bound');
});

test('a retained volume is Released with its claim and taken by no other', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolume, volume('disk', '1Gi'));
  await client.create(PersistentVolumeClaim, claim('first', '1Gi', ''));
  await bound(cluster, 'first');
  await client.delete(PersistentVolumeClaim, { name: 'first', namespace });
  await cluster.until(async () => (await volumePhase(client, 'disk')) === 'Released');
  await client.create(PersistentVolumeClaim, claim('first', '1Gi', ''));
  await cluster.clock.advance(30_000);
  assert.equal(await phaseOf(client, 'first'), 'Pending');
  const message =
    'Normal FailedBinding persistentvolume-controller no persistent volumes available for this claim and no storage class is set';
  assert.ok((await eventsOf(client, 'first')).includes(message));
});

test('a volume says since when it is in its phase', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const transition = async () => {
    const { metadata, status } = await client.get(PersistentVolume, { name: 'disk' });
    return {
      created: metadata.creationTimestamp,
      phase: status?.phase,
      since: status?.lastPhaseTransitionTime,
    };
  };
  const made = await client.create(PersistentVolume, volume('disk', '1Gi'));
  assert.equal(made.status?.lastPhaseTransitionTime, made.metadata.creationTimestamp);
  await cluster.until(async () => (await volumePhase(client, 'disk')) === 'Available');
  await cluster.clock.advance(60_000);
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', ''));
  await cluster.until(async () => (await volumePhase(client, 'disk')) === 'Bound');
  const { created, since } = await transition();
  assert.ok(Date.parse(since!) >= Date.parse(created) + 60_000, since);
  await cluster.clock.advance(60_000);
  await client.patch(
    PersistentVolume,
    { name: 'disk' },
    { status: { message: 'm' } },
    { type: 'merge', subresource: 'status' },
  );
  assert.equal((await transition()).since, since);
});

test('a claim whose volume is gone is Lost, and no longer describes it', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolume, volume('disk', '1Gi'));
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', ''));
  await bound(cluster, 'data');
  await client.delete(PersistentVolume, { name: 'disk' });
  await client.patch(
    PersistentVolume,
    { name: 'disk' },
    { metadata: { finalizers: null } },
    { type: 'merge' },
  );
  await cluster.until(async () => (await phaseOf(client, 'data')) === 'Lost');
  const { status } = await client.get(PersistentVolumeClaim, { name: 'data', namespace });
  assert.deepEqual(status, { phase: 'Lost' });
  const message =
    'Warning ClaimLost persistentvolume-controller Bound claim has lost its PersistentVolume. Data on the volume is lost!';
  assert.ok((await eventsOf(client, 'data')).includes(message));
});

test('a recycled volume is free again, and a deleted one is gone with its claim', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolume, volume('again', '1Gi', { persistentVolumeReclaimPolicy: 'Recycle' }));
  await client.create(PersistentVolume, volume('once', '2Gi', { persistentVolumeReclaimPolicy: 'Delete' }));
  await client.create(PersistentVolumeClaim, claim('a', '1Gi', ''));
  await client.create(PersistentVolumeClaim, claim('b', '2Gi', ''));
  await bound(cluster, 'a');
  await bound(cluster, 'b');
  await client.delete(PersistentVolumeClaim, { name: 'a', namespace });
  await client.delete(PersistentVolumeClaim, { name: 'b', namespace });
  await cluster.until(async () => (await volumePhase(client, 'again')) === 'Available');
  await cluster.until(async () => (await client.list(PersistentVolume)).items.length === 1);
  assert.equal((await client.get(PersistentVolume, { name: 'again' })).spec?.claimRef, undefined);
});

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
});

test('a claim in use, and a volume that is bound, wait with their deletion', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolume, volume('disk', '1Gi'));
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', ''));
  await bound(cluster, 'data');
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
  await client.delete(PersistentVolumeClaim, { name: 'data', namespace });
  await client.delete(PersistentVolume, { name: 'disk' });
  await cluster.clock.advance(30_000);
  assert.equal(await phaseOf(client, 'data'), 'Bound');
  assert.equal(await volumePhase(client, 'disk'), 'Bound');
  await client.delete(Pod, { name: 'web', namespace });
  await cluster.until(
    async () => (await client.list(PersistentVolumeClaim, { namespace })).items.length === 0,
  );
  await cluster.until(async () => (await client.list(PersistentVolume)).items.length === 0);
});

test('a claim that asks for attributes gets a volume that has them, and their class stays as long', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(VolumeAttributesClass, {
    metadata: { name: 'fast' },
    driverName: 'disk.example.com',
    parameters: { iops: '4000' },
  } as Draft<VolumeAttributesClass>);
  const attributes = { volumeAttributesClassName: 'fast' };
  await client.create(PersistentVolume, volume('plain', '1Gi'));
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', '', attributes));
  await cluster.clock.advance(30_000);
  assert.equal(await phaseOf(client, 'data'), 'Pending');
  const csi = { driver: 'disk.example.com', volumeHandle: 'quick' };
  await client.create(PersistentVolume, volume('quick', '1Gi', { ...attributes, csi, hostPath: undefined }));
  await bound(cluster, 'data');
  const { spec, status } = await client.get(PersistentVolumeClaim, { name: 'data', namespace });
  assert.equal(spec?.volumeName, 'quick');
  assert.equal(status?.currentVolumeAttributesClassName, 'fast');
  await client.delete(VolumeAttributesClass, { name: 'fast' });
  await client.delete(PersistentVolumeClaim, { name: 'data', namespace });
  await cluster.clock.advance(30_000);
  assert.ok((await client.get(VolumeAttributesClass, { name: 'fast' })).metadata.deletionTimestamp);
  await client.delete(PersistentVolume, { name: 'quick' });
  await cluster.until(async () => (await client.list(VolumeAttributesClass)).items.length === 0);
});

test('a hundred claims race for fifty volumes while the controllers die and come back: fifty are bound, each once', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const numbers = Array.from({ length: 100 }, (_, index) => index);
  await Promise.all(
    numbers.map((number) => client.create(PersistentVolumeClaim, claim(`c${number}`, '1Gi', ''))),
  );
  await Promise.all(
    numbers.slice(0, 50).map((number) => client.create(PersistentVolume, volume(`v${number}`, '1Gi'))),
  );
  for (let crash = 0; crash < 8; crash++) {
    await cluster.clock.advance(1);
    await cluster.stopControllers();
    cluster.startControllers();
  }
  const isSettled = async () =>
    (await client.list(PersistentVolume)).items.every(({ status }) => status?.phase === 'Bound');
  await cluster.until(isSettled);
  await cluster.clock.advance(60_000);
  const claims = (await client.list(PersistentVolumeClaim, { namespace })).items.filter(
    ({ status }) => status?.phase === 'Bound',
  );
  assert.equal(claims.length, 50);
  const volumes = new Map((await client.list(PersistentVolume)).items.map((one) => [one.metadata.name, one]));
  const taken = new Set(claims.map(({ spec }) => spec!.volumeName!));
  assert.equal(taken.size, 50);
  for (const { metadata, spec } of claims)
    assert.equal(volumes.get(spec!.volumeName!)?.spec?.claimRef?.uid, metadata.uid);
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

test('a reclaim that failed is tried again in time, though the clock was set back meanwhile', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  const nfs = { server: '192.0.2.1', path: '/' };
  const more = { hostPath: undefined, nfs, persistentVolumeReclaimPolicy: 'Recycle' };
  await client.create(PersistentVolume, volume('v', '1Gi', { ...more, storageClassName: '' }));
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', ''));
  await bound(cluster, 'data');
  await client.delete(PersistentVolumeClaim, { name: 'data', namespace });
  await cluster.until(async () => (await volumePhase(client, 'v')) === 'Failed');
  const failures = async () =>
    (await client.list(Event, { namespace: 'default' })).items
      .filter(({ reason }) => reason === 'VolumeFailedRecycle')
      .reduce((sum, { count = 1 }) => sum + count, 0);
  assert.equal(await failures(), 1);
  clock.jump(-3_600_000);
  await clock.advance(20_000);
  assert.equal(await failures(), 2);
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
  const failures = async () =>
    (await client.list(Event, { namespace: 'default' })).items
      .filter(({ reason }) => reason === 'VolumeFailedRecycle')
      .reduce((sum, { count = 1 }) => sum + count, 0);
  await cluster.clock.advance(10_000);
  assert.equal(await failures(), 1, 'it is left at that for a while');
  const keep = { spec: { persistentVolumeReclaimPolicy: 'Retain' } };
  await client.patch(PersistentVolume, { name: 'v' }, keep, { type: 'merge' });
  await cluster.clock.advance(60_000);
  assert.equal(await failures(), 1, 'what asks for nothing cannot fail');
});

test('a claim of an ephemeral volume that another made is not used, and the event names the volume', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(PersistentVolumeClaim, claim('web-scratch', '1Gi'));
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  await client.create(Pod, {
    metadata: { name: 'web', namespace },
    spec: {
      containers: [{ name: 'c', image: 'web' }],
      volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { spec } } }],
    },
  } as Draft<Pod>);
  const expected =
    'Warning FailedBinding ephemeral_volume ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web (pod is not owner)';
  await cluster.until(async () => (await eventsOf(client, 'web')).includes(expected));
});

for (const propagationPolicy of ['Background', 'Foreground'] as const)
  test(`a generic ephemeral volume comes and goes with its pod, deleted in the ${propagationPolicy}`, async () => {
    await using cluster = await createCluster();
    const { client } = cluster;
    await cluster.clock.advance(1_000);
    const template = {
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    };
    await client.create(Pod, {
      metadata: { name: 'web', namespace },
      spec: {
        containers: [{ name: 'c', image: 'web' }],
        volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: template } }],
      },
    } as Draft<Pod>);
    await cluster.until(
      async () => (await client.get(Pod, { name: 'web', namespace })).status?.phase === 'Running',
    );
    assert.equal(await phaseOf(client, 'web-scratch'), 'Bound');
    await client.delete(Pod, { name: 'web', namespace }, { propagationPolicy });
    await cluster.until(async () => (await client.list(PersistentVolume)).items.length === 0);
    await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 0);
  });

test('an attachment that the controller made goes with its volume, one made by hand is left alone', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const generated = `csi-${'0'.repeat(64)}`;
  for (const name of ['by-hand', generated])
    await client.create(VolumeAttachment, {
      metadata: { name },
      spec: { attacher: 'csi.test', nodeName: 'node', source: { persistentVolumeName: 'gone' } },
    });
  const names = async () => (await client.list(VolumeAttachment)).items.map(({ metadata }) => metadata.name);
  await cluster.until(async () => !(await names()).includes(generated));
  assert.deepEqual(await names(), ['by-hand']);
});
