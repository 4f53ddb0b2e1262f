import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Node, PersistentVolume, PersistentVolumeClaim, type Pod } from '../../../api/resources.gen.ts';
import { notFound } from '../../../api/status.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { Client } from '../../../client/client.ts';
import { unmountBelow } from '../../linux/mounts.ts';
import { describeLack } from '../sources/nfs.ts';
import { findClaimedVolume, mountPersistent } from './persistent-volume.ts';

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'mounts need root' };

const folder = mkdtempSync(join(tmpdir(), 'wherry-persistent-'));
after(() => rmSync(folder, { recursive: true }));

const mount = (spec: object) =>
  mountPersistent(
    { metadata: { name: 'disk-1' }, spec } as PersistentVolume,
    'data',
    join(folder, 'volumes'),
  );

test('a volume of the node’s disk is the folder itself', async () => {
  assert.equal(await mount({ local: { path: folder } }), folder);
  const made = join(folder, 'made');
  assert.equal(await mount({ hostPath: { path: made } }), made);
  assert.ok(statSync(made).isDirectory());
});

test('the error of a volume that cannot be mounted names the persistent volume', async () => {
  await assert.rejects(mount({ local: { path: '/no/such' } }), {
    volume: 'data',
    message:
      'MountVolume.NewMounter initialization failed for volume "disk-1" : path "/no/such" does not exist',
  });
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await assert.rejects(mount({ local: { path: file } }), {
    message:
      'MountVolume.NewMounter initialization failed for volume "disk-1" : only directory and block device are supported',
  });
  await assert.rejects(mount({ hostPath: { path: folder, type: 'File' } }), {
    message: `MountVolume.SetUp failed for volume "disk-1" : hostPath type check failed: ${folder} is not a file`,
  });
  await assert.rejects(mount({ iscsi: {} }), /volume "disk-1" : no volume plugin matched for iscsi$/);
});

test('a folder of the node has no mount options: a volume that asks for some is not mounted', async () => {
  const path = join(folder, 'optioned');
  await assert.rejects(mount({ hostPath: { path }, mountOptions: ['ro'] }), {
    message:
      'MountVolume.MountOptionSupport check failed for volume "disk-1" : mount options are not supported for this volume type',
  });
  assert.equal(existsSync(path), false);
  assert.equal(await mount({ hostPath: { path }, mountOptions: [] }), path);
});

test(
  'a folder that is a volume of its own has the mount options that are asked for, once',
  needsRoot,
  async () => {
    const source = join(folder, 'source');
    mkdirSync(source);
    const spec = { local: { path: source }, mountOptions: ['ro', 'noexec'] };
    const target = await mount(spec);
    assert.equal(await mount(spec), target);
    try {
      const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
      const options = mounts
        .filter((line) => line.includes(` ${target} `))
        .map((line) => line.split(' ')[3]!);
      assert.equal(options.length, 1);
      assert.deepEqual(
        ['ro', 'noexec', 'nosuid'].map((option) => options[0]!.split(',').includes(option)),
        [true, true, false],
      );
      writeFileSync(join(source, 'file'), 'x');
      assert.throws(() => writeFileSync(join(target, 'file'), 'y'), { code: 'EROFS' });
    } finally {
      await unmountBelow(join(folder, 'volumes'));
    }
  },
);

test('a claim for a block device gets no folder', async () => {
  await assert.rejects(mount({ volumeMode: 'Block', local: { path: folder } }), {
    reason: 'FailedMapVolume',
    message: `MapVolume.MapBlockVolume failed for volume "disk-1" : path "${folder}" is not a block device`,
  });
  await assert.rejects(mount({ volumeMode: 'Block', local: { path: '/no/such' } }), {
    message: /^MapVolume\.NewBlockVolumeMapper initialization failed for volume "disk-1" : /,
  });
});

test('the event of an nfs volume names what the node lacks', () => {
  assert.deepEqual(describeLack({ hasHelper: true, hasFileSystem: true }), []);
  assert.match(describeLack({ hasHelper: false, hasFileSystem: true }).join(), /apt-get install nfs-common/);
  assert.match(describeLack({ hasHelper: true, hasFileSystem: false }).join(), /kernel has no nfs/);
});

const bound = {
  metadata: { name: 'data', namespace: 'ns', uid: 'u1' },
  spec: { volumeName: 'disk-1' },
  status: { phase: 'Bound' },
};
const disk = { metadata: { name: 'disk-1' }, spec: { claimRef: { uid: 'u1' } } };
const mounts = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };

/** The existing claim and volume, and how the pod uses them. */
async function find(claim: object | undefined, volume?: object, use: object = mounts): Promise<string> {
  const client = sparse<Client>({
    get: async (type: unknown, { name }: { name: string }) => {
      const found = type === PersistentVolumeClaim ? claim : type === PersistentVolume && volume;
      if (!found) throw notFound({ group: '', plural: 'any' }, name);
      return found;
    },
  });
  const pod = { metadata: { name: 'p', namespace: 'ns', uid: 'p1' }, spec: { containers: [use] } } as Pod;
  const source = { name: 'v', persistentVolumeClaim: { claimName: 'data' } };
  const found = await findClaimedVolume(client, pod, source, 'data').catch(
    (error: { why: string }) => error.why,
  );
  return typeof found === 'string' ? found : found.volume.metadata.name;
}

const rows: [what: string, given: Parameters<typeof find>, expected: string][] = [
  ['a bound claim', [bound, disk], 'disk-1'],
  [
    'no claim',
    [undefined],
    'error processing PVC ns/data: failed to fetch PVC from API server: persistentvolumeclaims "data" not found',
  ],
  [
    'a claim that waits',
    [{ ...bound, status: { phase: 'Pending' } }],
    'error processing PVC ns/data: PVC is not bound',
  ],
  [
    'a claim that is going unprotected',
    [{ ...bound, metadata: { ...bound.metadata, deletionTimestamp: 'now' } }, disk],
    'error processing PVC ns/data: PVC is being deleted',
  ],
  [
    'no volume',
    [bound],
    'error processing PVC ns/data: failed to fetch PV disk-1 from API server: persistentvolumes "disk-1" not found',
  ],
  [
    'the volume of another claim',
    [bound, { ...disk, spec: { claimRef: { uid: 'u2' } } }],
    'error processing PVC ns/data: found PV object disk-1 but its pv.Spec.ClaimRef.UID u2 does not point to claim.UID u1',
  ],
  [
    'a device as a file system',
    [bound, { ...disk, spec: { ...disk.spec, volumeMode: 'Block' } }],
    'volume v has volumeMode Block, but is specified in volumeMounts',
  ],
  [
    'a file system as a device',
    [bound, disk, { volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] }],
    'volume v has volumeMode Filesystem, but is specified in volumeDevices',
  ],
];
for (const [what, given, expected] of rows)
  test(`${what}: ${expected}`, async () => {
    assert.equal(await find(...given), expected);
  });

test('the error of a volume for other nodes names the persistent volume', async () => {
  const affinity = { key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] };
  const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions: [affinity] }] } };
  const node = { metadata: { name: 'a', labels: { 'kubernetes.io/hostname': 'a' } } };
  const errorOf = (use: object, more?: object) => {
    const volume = { ...disk, spec: { ...disk.spec, nodeAffinity, ...more } };
    const get = async (type: unknown) =>
      type === Node ? node : type === PersistentVolumeClaim ? bound : volume;
    const client = sparse<Client>({ get: get as unknown as Client['get'] });
    const pod = { metadata: { name: 'p', uid: 'p1' }, spec: { nodeName: 'a', containers: [use] } } as Pod;
    return findClaimedVolume(client, pod, { name: 'v' }, 'data');
  };
  await assert.rejects(errorOf(mounts), {
    volume: 'v',
    reason: 'FailedMount',
    message: 'MountVolume.NodeAffinity check failed for volume "disk-1" : no matching NodeSelectorTerms',
  });
  const devices = { volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] };
  await assert.rejects(errorOf(devices, { volumeMode: 'Block' }), {
    reason: 'FailedMapVolume',
    message: 'MapVolume.NodeAffinity check failed for volume "disk-1" : no matching NodeSelectorTerms',
  });
});
