import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { testPod } from '../pod.fixture.ts';
import { LinuxVolumes } from './linux-volumes.ts';
import type { VolumeInputs, VolumesNotReady } from './pod-volumes.ts';
import { storageMetrics } from './storage-metrics.ts';

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'groups need root' };

/** Those of a node whose server has just these objects. */
function volumesOver(
  root: string,
  objects: readonly { metadata: { name: string } }[],
  metrics = new MetricsRegistry(),
  recorder = sparse<EventRecorder>({}),
): LinuxVolumes {
  const get = async (_: unknown, { name }: { name: string }) =>
    objects.find(({ metadata }) => metadata.name === name);
  return new LinuxVolumes(
    join(root, 'kubelet'),
    sparse<VolumeInputs>({
      client: sparse<Client>({ get: get as Client['get'] }),
      clock: new VirtualClock(),
      random: seededRandom(1),
      logger: silentLogger,
      storage: storageMetrics(metrics),
      node: () => ({ nodeName: 'n', hostIps: [], allocatable: {} }),
      csi: { inUseChanged: () => undefined, recorder },
    }),
  );
}

/** A folder of the test's own, and in it one for a volume. */
function makeDisk(t: TestContext): { root: string; path: string } {
  const root = mkdtempSync(join(tmpdir(), 'wherry-linux-volumes-'));
  t.after(() => rmSync(root, { recursive: true }));
  const path = join(root, 'disk');
  mkdirSync(path);
  return { root, path };
}

test(
  'the volume of a claim is given to the group of a pod once, whatever agents come and go',
  needsRoot,
  async (t) => {
    const { root, path } = makeDisk(t);
    writeFileSync(join(path, 'old'), '', { mode: 0o600 });
    const objects = [
      { metadata: { name: 'claim', uid: 'c' }, spec: { volumeName: 'pv' }, status: { phase: 'Bound' } },
      { metadata: { name: 'pv' }, spec: { local: { path }, claimRef: { uid: 'c' } } },
    ];
    const createVolumes = (metrics?: MetricsRegistry) => volumesOver(root, objects, metrics);
    const pod = testPod({
      securityContext: { fsGroup: 1234 },
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'claim' } }],
      containers: [{ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
    });
    const look = (name: string) => {
      const { mode, gid } = statSync(join(path, name));
      return [mode & 0o777, gid];
    };
    await createVolumes().setUp(pod);
    assert.deepEqual(look('old'), [0o660, 1234]);
    writeFileSync(join(path, 'key'), '', { mode: 0o600 });
    const metrics = new MetricsRegistry();
    const shown = () =>
      metrics
        .expose()
        .split('\n')
        .filter((line) => /_count|volume_manager.*\}/.test(line));
    const next = createVolumes(metrics);
    const mounted = await next.setUp(pod);
    assert.equal(mounted.get('v')?.hostPath, path);
    assert.deepEqual(look('key'), [0o600, 1234]);
    const counts = (operation: string) =>
      `storage_operation_duration_seconds_count{migrated="false",operation_name="${operation}",status="success",volume_plugin="kubernetes.io/local-volume"} 1`;
    assert.deepEqual(shown(), [
      counts('volume_mount'),
      'volume_manager_total_volumes{plugin_name="kubernetes.io/local-volume",state="actual_state_of_world"} 1',
    ]);
    await next.tearDown(pod.metadata.uid);
    assert.deepEqual(shown(), [counts('volume_mount'), counts('volume_unmount')]);
    assert.deepEqual(look('key'), [0o600, 1234]);
    assert.equal(existsSync(join(root, 'kubelet/pods/u/given-to-group')), false);
  },
);

test(
  'a volume that a pod uses keeps its group when another pod comes, which is told',
  needsRoot,
  async (t) => {
    const { root, path } = makeDisk(t);
    const objects = [
      { metadata: { name: 'claim', uid: 'c' }, spec: { volumeName: 'pv' }, status: { phase: 'Bound' } },
      { metadata: { name: 'pv' }, spec: { local: { path }, claimRef: { uid: 'c' } } },
    ];
    const podOf = (uid: string, fsGroup: number, readOnly = false) => {
      const pod = testPod({
        securityContext: { fsGroup },
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'claim', readOnly } }],
        containers: [{ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      });
      pod.metadata.uid = uid;
      return pod;
    };
    const events: string[] = [];
    const recorder = sparse<EventRecorder>({
      event: (_target, type, reason, message) => void events.push(`${type} ${reason}: ${message}`),
    });
    const start = () => volumesOver(root, objects, new MetricsRegistry(), recorder);
    const group = () => statSync(path).gid;
    let volumes = start();
    await volumes.setUp(podOf('reader', 1233, true));
    assert.equal(group(), 0, 'a pod that only reads changes nothing');
    await volumes.tearDown('reader');
    await Promise.all([volumes.setUp(podOf('first', 1234)), volumes.setUp(podOf('like it', 1234))]);
    assert.deepEqual([group(), events], [1234, []]);
    await volumes.setUp(podOf('second', 1235));
    const told =
      'Warning AlreadyMountedVolume: The requested fsGroup is 1235, but the volume pv has GID 1234. The volume may not be shareable.';
    assert.deepEqual([group(), events], [1234, [told]]);
    volumes = start();
    await volumes.setUp(podOf('second', 1235));
    assert.deepEqual([group(), events], [1234, [told]], 'the next agent leaves it so');
    for (const uid of ['first', 'like it', 'second']) await volumes.tearDown(uid);
    await volumes.setUp(podOf('third', 1236));
    assert.deepEqual([group(), events], [1236, [told]]);
  },
);

test('a volume for one pod is used by no second one, until the first is gone', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-linux-volumes-'));
  t.after(() => rmSync(root, { recursive: true }));
  const accessModes = ['ReadWriteOncePod'];
  const objects = [
    { metadata: { name: 'claim', uid: 'c' }, spec: { volumeName: 'pv' }, status: { phase: 'Bound' } },
    { metadata: { name: 'pv' }, spec: { hostPath: { path: root }, claimRef: { uid: 'c' }, accessModes } },
  ];
  const podOf = (uid: string) => {
    const pod = testPod({
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'claim' } }],
      containers: [{ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
    });
    pod.metadata.uid = uid;
    return pod;
  };
  const volumes = volumesOver(root, objects);
  await volumes.setUp(podOf('first'));
  await volumes.setUp(podOf('first'));
  await assert.rejects(volumes.setUp(podOf('second')), ({ problems }: VolumesNotReady) => {
    assert.deepEqual(
      problems.map(({ message }) => message),
      [
        'MountVolume.SetUp failed for volume "pv" : volume uses the ReadWriteOncePod access mode and is already in use by another pod',
      ],
    );
    return true;
  });
  await volumes.tearDown('first');
  await volumes.setUp(podOf('second'));
  accessModes.push('ReadWriteOnce');
  await volumes.setUp(podOf('third'));
});

test("a pod's own volumes tell how much is in them, folders of the node do not", async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-linux-volumes-'));
  t.after(() => rmSync(root, { recursive: true }));
  const pod = testPod({
    volumes: [
      { name: 'own', emptyDir: {} },
      { name: 'label', downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } },
      { name: 'node', hostPath: { path: root } },
    ],
    containers: [
      { name: 'c', volumeMounts: ['own', 'label', 'node'].map((name) => ({ name, mountPath: `/${name}` })) },
    ],
  });
  const volumes = volumesOver(root, []);
  const mounted = await volumes.setUp(pod);
  writeFileSync(join(mounted.get('own')!.hostPath!, 'file'), 'x'.repeat(100_000));
  const uses = new Map((await volumes.usage(pod)).map((use) => [use.name, use]));
  assert.deepEqual([...uses.keys()], ['own', 'label']);
  const { usedBytes, inodesUsed, capacityBytes, claimName } = uses.get('own')!;
  assert.ok(usedBytes >= 100_000 && usedBytes < 200_000, `${usedBytes}`);
  assert.ok(capacityBytes > usedBytes);
  assert.deepEqual({ inodesUsed, claimName }, { inodesUsed: 2, claimName: undefined });
});
