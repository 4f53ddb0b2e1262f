import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { PersistentVolume, Pod } from '../../api/resources.gen.ts';
import { notFound } from '../../api/status.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { type GrpcCode, RuntimeError } from '../cri/runtime-error.ts';
import { testPod } from '../pod.fixture.ts';
import type { TokenSource } from '../volumes/projected/token-source.ts';
import { CsiVolumes } from './csi-volumes.ts';
import type { DriverClient } from './driver-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-csi-'));
after(() => rmSync(folder, { recursive: true }));

const uniqueName = 'kubernetes.io/csi/d^h';
const volume = {
  metadata: { name: 'pv' },
  spec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'd', volumeHandle: 'h' } },
} as PersistentVolume;
const podOf = (uid: string): Pod => {
  const pod = testPod();
  return { ...pod, metadata: { ...pod.metadata, uid } };
};

/** A node and a cluster around the volumes; calls to the driver are recorded. */
class World {
  readonly rootDir = mkdtempSync(join(folder, 'node-'));
  readonly calls: string[] = [];
  objects: Record<string, object> = {};
  reported: string[] = [];
  offered: string[] = [];
  failing: string | undefined;
  code: GrpcCode = 'DeadlineExceeded';
  isRegistered = true;
  /** A driver that is there no more, while others are. */
  gone: string | undefined;

  /** As a kubelet that has just started sees them. */
  volumes(): CsiVolumes {
    return new CsiVolumes({
      rootDir: this.rootDir,
      client: sparse<Client>({ get: async (type: { kind: string }) => this.#get(type.kind) }),
      clock: new VirtualClock(),
      logger: silentLogger,
      objects: { get: async () => undefined },
      tokens: {} as TokenSource,
      drivers: {
        get: (name) => this.#driver(name),
        refreshLimit: async (name) => void this.calls.push(`limit of ${name}`),
      },
      nodeName: () => 'n',
      isReportedInUse: (name) => this.reported.includes(name),
      isOffered: (name) => this.offered.includes(name),
      recorder: sparse<EventRecorder>({}),
      inUseChanged: () => undefined,
    });
  }

  #get(kind: string): object {
    const found = this.objects[kind];
    if (!found) throw notFound({ group: '', plural: kind }, 'x');
    return found;
  }

  #driver(name: string): DriverClient {
    if (!this.isRegistered || name === this.gone)
      throw new Error(`driver name ${name} not found in the list of registered CSI drivers`);
    const call = (method: string, target?: string) => {
      this.calls.push(method);
      if (this.failing === method) throw new RuntimeError(this.code, `${method} fails`);
      if (target) mkdirSync(target, { recursive: true });
    };
    return sparse<DriverClient>({
      can: async (capability: string) => capability === 'STAGE_UNSTAGE_VOLUME',
      stage: async () => call('stage'),
      publish: async ({ targetPath }: { targetPath: string }) => call('publish', targetPath),
      unpublish: async () => call('unpublish'),
      unstage: async () => call('unstage'),
    });
  }
}

const unattachable = { CSIDriver: { spec: { attachRequired: false } } };

test('a volume is staged for the first pod and unstaged after the last', async () => {
  const world = new World();
  world.objects = unattachable;
  const volumes = world.volumes();
  const target = await volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false });
  assert.ok(target.startsWith(`${world.rootDir}/pods/one/volumes/kubernetes.io~csi/pv/`));
  await volumes.mountClaimed(podOf('two'), 'v', volume, { readOnly: false });
  await volumes.tearDown('one');
  assert.equal(existsSync(target), false);
  assert.deepEqual(world.calls, ['stage', 'publish', 'stage', 'publish', 'unpublish']);
  await volumes.tearDown('two');
  await volumes.tearDown('two');
  assert.deepEqual(world.calls.slice(5), ['unpublish', 'unstage']);
});

test('a volume that must be attached waits for the node to tell, the offer and the attacher, one after the other', async () => {
  const world = new World();
  const volumes = world.volumes();
  const mount = () => volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false });
  const waits = async () => assert.rejects(mount(), { isWaiting: true });
  await waits();
  assert.deepEqual(volumes.volumesInUse(), [uniqueName]);
  world.reported = [uniqueName];
  await waits();
  world.offered = [uniqueName];
  await waits();
  world.objects = {
    VolumeAttachment: { metadata: { deletionTimestamp: 'now' }, status: { attached: true } },
  };
  await waits();
  world.objects = { VolumeAttachment: { metadata: {}, status: { attached: true } } };
  await mount();
  assert.deepEqual(world.calls, ['stage', 'publish']);
  assert.deepEqual(world.volumes().volumesInUse(), []);
  const next = world.volumes();
  await next.clearUnused();
  assert.deepEqual(next.volumesInUse(), [uniqueName], 'a kubelet that starts anew knows what is in use');
  await next.tearDown('one');
  assert.deepEqual(next.volumesInUse(), []);
});

test('a pod that goes before its volume came leaves nothing in use', async () => {
  const world = new World();
  const volumes = world.volumes();
  await assert.rejects(volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false }));
  await volumes.tearDown('one');
  assert.deepEqual([volumes.volumesInUse(), world.calls], [[], []]);
});

test("a driver's work is undone when the driver failed or the kubelet ended halfway", async () => {
  const world = new World();
  world.objects = unattachable;
  world.failing = 'publish';
  await assert.rejects(world.volumes().mountClaimed(podOf('one'), 'v', volume, { readOnly: false }), {
    message:
      'MountVolume.SetUp failed for volume "pv" : rpc error: code = DeadlineExceeded desc = publish fails',
  });
  world.failing = 'stage';
  await assert.rejects(world.volumes().mountClaimed(podOf('one'), 'v', volume, { readOnly: false }), {
    message:
      'MountVolume.MountDevice failed for volume "pv" : rpc error: code = DeadlineExceeded desc = stage fails',
  });
  world.failing = undefined;
  world.calls.length = 0;
  await world.volumes().tearDown('one');
  assert.deepEqual(world.calls, ['unpublish', 'unstage']);

  world.failing = 'stage';
  await assert.rejects(world.volumes().mountClaimed(podOf('two'), 'v', volume, { readOnly: false }));
  world.failing = undefined;
  world.calls.length = 0;
  await world.volumes().clearUnused();
  assert.deepEqual(world.calls, ['unstage'], 'no pod has it');
});

test('a volume that may be staged is unstaged when its pod goes', async () => {
  const world = new World();
  world.objects = unattachable;
  world.failing = 'stage';
  const volumes = world.volumes();
  for (let attempt = 0; attempt < 2; attempt++)
    await assert.rejects(volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false }));
  await volumes.tearDown('one');
  await volumes.tearDown('one');
  assert.deepEqual(world.calls, ['stage', 'stage', 'unstage']);
});

test('a volume that its driver refused to stage is neither unstaged nor in use when the pod goes', async () => {
  const world = new World();
  world.reported = [uniqueName];
  world.offered = [uniqueName];
  world.objects = { VolumeAttachment: { metadata: {}, status: { attached: true } } };
  world.failing = 'stage';
  const volumes = world.volumes();
  const refused = () => assert.rejects(volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false }));
  await refused();
  world.code = 'InvalidArgument';
  await refused();
  assert.deepEqual(volumes.volumesInUse(), [uniqueName], 'the pod still wants it');
  await volumes.tearDown('one');
  assert.deepEqual(world.calls, ['stage', 'stage']);
  assert.deepEqual(volumes.volumesInUse(), []);
});

test('a volume that is staged stays so when it is refused to another pod', async () => {
  const world = new World();
  world.objects = unattachable;
  const volumes = world.volumes();
  await volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false });
  world.failing = 'stage';
  world.code = 'InvalidArgument';
  await assert.rejects(volumes.mountClaimed(podOf('two'), 'v', volume, { readOnly: false }));
  await volumes.tearDown('two');
  assert.deepEqual(world.calls, ['stage', 'publish', 'stage']);
  await volumes.tearDown('one');
  assert.deepEqual(world.calls.slice(3), ['unpublish', 'unstage']);
});

test('a record that was cut off keeps no other volume from being used', async () => {
  const world = new World();
  world.objects = unattachable;
  const staged = join(world.rootDir, 'plugins/kubernetes.io/csi/d/cut-off');
  mkdirSync(staged, { recursive: true });
  writeFileSync(join(staged, 'vol_data.json'), '');
  const volumes = world.volumes();
  await volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false });
  await volumes.clearUnused();
  await volumes.tearDown('one');
  assert.deepEqual(world.calls, ['stage', 'publish', 'unpublish', 'unstage']);
});

test('a pod keeps what its driver does not take back', async () => {
  const world = new World();
  world.objects = unattachable;
  const volumes = world.volumes();
  await volumes.mountClaimed(podOf('one'), 'v', volume, { readOnly: false });
  world.isRegistered = false;
  await assert.rejects(volumes.tearDown('one'), /not found in the list of registered CSI drivers/);
  world.isRegistered = true;
  await volumes.tearDown('one');
  assert.deepEqual(world.calls, ['stage', 'publish', 'unpublish', 'unstage']);
});

test('an inline volume is for drivers that say so', async () => {
  const world = new World();
  const volumes = world.volumes();
  const refusal = (why: string) =>
    `MountVolume.SetUp failed for volume "own" : kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle mode: volume mode "Ephemeral" not supported by driver d (${why})`;
  const mount = () => volumes.mountInline(podOf('one'), 'own', { driver: 'd' });
  world.isRegistered = false;
  await assert.rejects(
    mount(),
    /failed to get CSI client: .* not found in the list of registered CSI drivers$/,
  );
  world.isRegistered = true;
  await assert.rejects(mount(), { message: refusal('no CSIDriver object') });
  world.objects = { CSIDriver: { spec: { volumeLifecycleModes: ['Persistent'] } } };
  await assert.rejects(mount(), { message: refusal('only supports ["Persistent"]') });
  world.objects = { CSIDriver: { spec: { volumeLifecycleModes: ['Persistent', 'Ephemeral'] } } };
  await mount();
  await volumes.tearDown('one');
  assert.deepEqual(world.calls, ['publish', 'unpublish']);
});

test('a volume whose driver is gone keeps no other from being given back', async () => {
  const world = new World();
  world.objects = unattachable;
  const of = (driver: string) =>
    ({
      ...volume,
      metadata: { name: `pv-${driver}` },
      spec: { ...volume.spec, csi: { driver, volumeHandle: 'h' } },
    }) as PersistentVolume;
  const volumes = world.volumes();
  // In either order: folders are read by name, and what is left of staging in the order in which it was made.
  for (const driver of ['a', 'b', 'c'])
    await volumes.mountClaimed(podOf('one'), driver, of(driver), { readOnly: false });
  world.gone = 'b';
  world.calls.length = 0;
  await assert.rejects(volumes.tearDown('one'), /driver name b not found/);
  assert.deepEqual(world.calls, ['unpublish', 'unstage', 'unpublish', 'unstage']);

  const left = new World();
  left.objects = unattachable;
  const before = left.volumes();
  for (const driver of ['a', 'b', 'c']) {
    await before.mountClaimed(podOf('one'), driver, of(driver), { readOnly: false });
    rmSync(join(left.rootDir, 'pods'), { recursive: true });
  }
  left.gone = 'b';
  left.calls.length = 0;
  await assert.rejects(left.volumes().clearUnused(), /driver name b not found/);
  assert.deepEqual(left.calls, ['unstage', 'unstage']);
});

test('a pod waits in vain when the attacher says that the node is full, if its driver counts anew', async () => {
  const world = new World();
  const spec = { attachRequired: true, nodeAllocatableUpdatePeriodSeconds: 60 };
  const full = { status: { attached: false, attachError: { errorCode: 8, message: 'full' } } };
  world.objects = { CSIDriver: { spec }, VolumeAttachment: full };
  world.reported = [uniqueName];
  const volumes = world.volumes();
  const pod = podOf('one');
  const isFull = () => volumes.isAttachLimitReached(pod);
  assert.equal(await isFull(), false, 'it waits for nothing yet');
  await assert.rejects(volumes.mountClaimed(pod, 'v', volume, { readOnly: false }), /not attached yet/);
  assert.equal(await isFull(), true);
  assert.deepEqual(world.calls, ['limit of d']);
  world.objects = { CSIDriver: { spec: { attachRequired: true } }, VolumeAttachment: full };
  assert.equal(await isFull(), false, 'the number is fixed: the scheduler keeps to it');
  const other = { status: { attached: false, attachError: { errorCode: 13, message: 'odd' } } };
  world.objects = { CSIDriver: { spec }, VolumeAttachment: other };
  assert.equal(await isFull(), false);
  await volumes.tearDown('one');
  world.objects = { CSIDriver: { spec }, VolumeAttachment: full };
  assert.equal(await isFull(), false, 'it waits no more');
});
