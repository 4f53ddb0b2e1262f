import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../api/resources.gen.ts';
import { sparse } from '../base/sparse.fixture.ts';
import { FakeCluster } from './cluster.fake.ts';
import { makeNode, makePod } from './objects.fake.ts';

const claim = (name: string, annotations: object, volumeName?: string) =>
  sparse<PersistentVolumeClaim>({
    metadata: { name, namespace: 'default', uid: name, annotations },
    spec: {
      storageClassName: 'late',
      resources: { requests: { storage: '1Gi' } },
      ...(volumeName && { volumeName }),
    },
  });
const volume = (name: string, host: string) =>
  sparse<PersistentVolume>({
    metadata: { name },
    spec: {
      storageClassName: 'late',
      capacity: { storage: '2Gi' },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [host] }] },
          ],
        },
      },
    },
    status: { phase: 'Available' },
  });

function lateCluster(provisioner: string): FakeCluster {
  const cluster = new FakeCluster();
  cluster.addNodes(makeNode('a'), makeNode('b'));
  cluster.put(StorageClass, {
    metadata: { name: 'late' },
    provisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
  } as StorageClass);
  cluster.put(PersistentVolumeClaim, claim('data', {}));
  cluster.addPods(
    makePod('web', { spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] } }),
  );
  return cluster;
}

test('a claim that waits for its pod gets a new volume on the node that was chosen, and only then is the pod bound', async () => {
  const cluster = lateCluster('wherry.dev/hostpath');
  cluster.start();
  await cluster.clock.advance(0);
  assert.equal(cluster.nodeOf('web'), undefined);
  const asked = cluster.informer(PersistentVolumeClaim).get('default/data')!;
  const node = asked.metadata.annotations?.['volume.kubernetes.io/selected-node'];
  assert.ok(node);
  cluster.put(PersistentVolumeClaim, claim('data', { 'pv.kubernetes.io/bind-completed': 'yes' }, 'made'));
  await cluster.clock.advance(0);
  assert.equal(cluster.nodeOf('web'), node);
  await cluster.stop();
});

test('a claim that waits for its pod takes a free volume and the pod goes where that is', async () => {
  const cluster = lateCluster('kubernetes.io/no-provisioner');
  cluster.put(PersistentVolume, volume('disk', 'b'));
  cluster.start();
  await cluster.clock.advance(0);
  const bound = cluster.informer(PersistentVolume).get('disk') as PersistentVolume;
  assert.equal(bound.spec?.claimRef?.uid, 'data');
  assert.equal(bound.metadata.annotations?.['pv.kubernetes.io/bound-by-controller'], 'yes');
  cluster.put(PersistentVolumeClaim, claim('data', { 'pv.kubernetes.io/bind-completed': 'yes' }, 'disk'));
  await cluster.clock.advance(0);
  assert.equal(cluster.nodeOf('web'), 'b');
  await cluster.stop();
});

const second = () =>
  makePod('web2', { spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] } });

test('pods that come together with one claim without a volume go where its new volume is made', async () => {
  const cluster = lateCluster('wherry.dev/hostpath');
  cluster.addPods(second());
  cluster.start();
  await cluster.clock.advance(0);
  const asked = cluster.informer(PersistentVolumeClaim).get('default/data')!;
  const node = asked.metadata.annotations?.['volume.kubernetes.io/selected-node'];
  cluster.put(PersistentVolumeClaim, claim('data', { 'pv.kubernetes.io/bind-completed': 'yes' }, 'made'));
  cluster.put(PersistentVolume, volume('made', node!));
  await cluster.clock.advance(0);
  assert.deepEqual([cluster.nodeOf('web'), cluster.nodeOf('web2')], [node, node]);
  await cluster.stop();
});

test('pods that come together with one claim take one free volume for it', async () => {
  const cluster = lateCluster('kubernetes.io/no-provisioner');
  cluster.addPods(second());
  for (const host of ['a', 'b']) cluster.put(PersistentVolume, volume(`disk-${host}`, host));
  cluster.start();
  await cluster.clock.advance(0);
  const taken = [...cluster.informer(PersistentVolume).list()].filter(
    (each) => (each as PersistentVolume).spec?.claimRef,
  );
  assert.equal(taken.length, 1);
  const { name } = taken[0]!.metadata;
  cluster.put(PersistentVolumeClaim, claim('data', { 'pv.kubernetes.io/bind-completed': 'yes' }, name));
  await cluster.clock.advance(0);
  const host = name.slice('disk-'.length);
  assert.deepEqual([cluster.nodeOf('web'), cluster.nodeOf('web2')], [host, host]);
  assert.deepEqual(cluster.eventsOf('web2').length, 1);
  await cluster.stop();
});

test('a pod says where it will go while it waits for its volume, and takes that back when there is none', async () => {
  const cluster = lateCluster('wherry.dev/hostpath');
  cluster.start();
  await cluster.clock.advance(0);
  const asked = cluster.informer(PersistentVolumeClaim).get('default/data')!;
  const node = asked.metadata.annotations?.['volume.kubernetes.io/selected-node'];
  assert.ok(node);
  assert.equal(cluster.pod('web').status?.nominatedNodeName, node);
  cluster.put(PersistentVolumeClaim, claim('data', {}));
  await cluster.clock.advance(0);
  assert.equal(cluster.pod('web').status?.nominatedNodeName ?? '', '');
  await cluster.stop();
});

test('a pod that is bound at once is nominated nowhere', async () => {
  const cluster = lateCluster('wherry.dev/hostpath');
  const patched = mock.method(cluster.client, 'patch');
  cluster.put(PersistentVolumeClaim, claim('data', { 'pv.kubernetes.io/bind-completed': 'yes' }, 'made'));
  cluster.put(PersistentVolume, volume('made', 'a'));
  cluster.start();
  await cluster.clock.advance(0);
  assert.equal(cluster.nodeOf('web'), 'a');
  assert.equal(patched.mock.callCount(), 0);
  await cluster.stop();
});

test('that a claim is missing is said before that another has no volume', async () => {
  const cluster = new FakeCluster();
  cluster.addNodes(makeNode('a'));
  cluster.put(PersistentVolumeClaim, claim('data', {}));
  const volumes = ['data', 'none'].map((claimName) => ({
    name: claimName,
    persistentVolumeClaim: { claimName },
  }));
  cluster.addPods(makePod('web', { spec: { volumes } }));
  cluster.start();
  await cluster.clock.advance(0);
  assert.match(cluster.eventsOf('web').join(), /persistentvolumeclaim "none" not found/);
  await cluster.stop();
});

test('a provisioner that gives a node up has the pod tried again', async () => {
  const cluster = lateCluster('wherry.dev/hostpath');
  cluster.start();
  await cluster.clock.advance(0);
  cluster.put(PersistentVolumeClaim, claim('data', {}));
  await cluster.clock.advance(0);
  assert.deepEqual(cluster.eventsOf('web'), [
    'FailedScheduling: running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"',
  ]);
  await cluster.stop();
});

test('a pod that waits for its claims is not tried again for volumes, claims and pods that are none of its business', async () => {
  const cluster = new FakeCluster();
  cluster.addNodes(makeNode('a'));
  const exclusive = (name: string) => {
    const made = claim(name, { 'pv.kubernetes.io/bind-completed': 'yes' }, name);
    return { ...made, spec: { ...made.spec, accessModes: ['ReadWriteOncePod'] } } as PersistentVolumeClaim;
  };
  const using = (name: string, claimName: string, spec: object = {}) =>
    makePod(name, { spec: { ...spec, volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] } });
  const user = using('user', 'data', { nodeName: 'a' });
  for (const name of ['data', 'other']) {
    cluster.put(PersistentVolumeClaim, exclusive(name));
    cluster.put(PersistentVolume, volume(name, 'a'));
  }
  cluster.addPods(
    user,
    using('stranger', 'other', { nodeName: 'a' }),
    makePod('plain', { spec: { nodeName: 'a' } }),
  );
  cluster.addPods(using('waiting', 'data'), using('unbound', 'new'));
  const unbound = claim('new', {});
  cluster.put(PersistentVolumeClaim, unbound);
  cluster.start();
  await cluster.clock.advance(0);
  const tries = (name: string) => cluster.eventsOf(name).length;
  const before = [tries('waiting'), tries('unbound')];
  assert.deepEqual(before, [1, 1]);

  cluster.delete(Pod, 'default/stranger');
  cluster.delete(Pod, 'default/plain');
  cluster.put(PersistentVolumeClaim, exclusive('other'));
  const taken = volume('other', 'a');
  cluster.put(PersistentVolume, {
    ...taken,
    spec: { ...taken.spec, claimRef: { namespace: 'default', name: 'other' } },
  } as PersistentVolume);
  await cluster.clock.advance(20_000);
  assert.deepEqual([tries('waiting'), tries('unbound')], before);

  cluster.delete(Pod, 'default/user');
  cluster.put(PersistentVolume, volume('made', 'a'));
  cluster.put(PersistentVolumeClaim, claim('new', { 'pv.kubernetes.io/bind-completed': 'yes' }, 'made'));
  await cluster.clock.advance(0);
  assert.deepEqual([cluster.nodeOf('waiting'), cluster.nodeOf('unbound')], ['a', 'a']);
  await cluster.stop();
});
