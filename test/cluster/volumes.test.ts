import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../src/api/resources.gen.ts';
import { bound, claim, eventsOf, failedRecycles, namespace, phaseOf, volume, volumePhase } from './claims.ts';
import { createCluster } from './cluster.ts';

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

test('a volume that a pod still uses is not recycled, though its claim was forced to go', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client } = cluster;
  await client.create(PersistentVolume, volume('disk', '1Gi', { persistentVolumeReclaimPolicy: 'Recycle' }));
  await client.create(PersistentVolumeClaim, claim('data', '1Gi', ''));
  await bound(cluster, 'data');
  const volumes = [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }];
  const spec = { containers: [{ name: 'c', image: 'db' }], volumes };
  await client.create(Pod, { metadata: { name: 'db', namespace }, spec });
  await cluster.until(
    async () => (await client.get(Pod, { name: 'db', namespace })).status?.phase === 'Running',
  );
  const data = { name: 'data', namespace };
  await client.delete(PersistentVolumeClaim, data);
  await client.patch(PersistentVolumeClaim, data, { metadata: { finalizers: null } }, { type: 'merge' });
  const message = 'Normal VolumeFailedRecycle persistentvolume-controller Volume is used by pods: default/db';
  await cluster.until(async () => (await eventsOf(client, 'disk')).includes(message));
  assert.equal(await volumePhase(client, 'disk'), 'Released');
  await client.delete(Pod, { name: 'db', namespace });
  await cluster.until(async () => (await volumePhase(client, 'disk')) === 'Available');
});

test('a claim and the volume that is reserved for it say that their modes do not match', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const { metadata } = await client.create(
    PersistentVolumeClaim,
    claim('data', '1Gi', '', { volumeMode: 'Block' }),
  );
  const claimRef = { kind: 'PersistentVolumeClaim', namespace, name: 'data', uid: metadata.uid };
  await client.create(PersistentVolume, volume('disk', '1Gi', { claimRef }));
  const said = 'Warning VolumeMismatch persistentvolume-controller Cannot bind PersistentVolume';
  const why = 'due to incompatible volumeMode.';
  for (const [name, message] of [
    ['disk', `${said} to requested PersistentVolumeClaim "data" ${why}`],
    ['data', `${said} "disk" to requested PersistentVolumeClaim ${why}`],
  ] as const)
    await cluster.until(async () => (await eventsOf(client, name)).includes(message));
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
  assert.equal(await failedRecycles(client), 1);
  clock.jump(-3_600_000);
  await clock.advance(20_000);
  assert.equal(await failedRecycles(client), 2);
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
