import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { PersistentVolume } from '../../api/resources.gen.ts';
import { describeLack } from './nfs.ts';
import { mountPersistent } from './persistent-volume.ts';

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

test('what cannot be mounted is told of under the name of the persistent volume', async () => {
  await assert.rejects(mount({ local: { path: '/no/such' } }), {
    volume: 'data',
    message:
      'MountVolume.NewMounter initialization failed for volume "disk-1" : path "/no/such" does not exist',
  });
  await assert.rejects(mount({ hostPath: { path: folder, type: 'File' } }), {
    message: `MountVolume.SetUp failed for volume "disk-1" : hostPath type check failed: ${folder} is not a file`,
  });
  await assert.rejects(mount({ iscsi: {} }), /volume "disk-1" : no volume plugin matched for iscsi$/);
});

test('of nfs, the event tells what the node lacks', () => {
  assert.deepEqual(describeLack({ hasHelper: true, hasFileSystem: true }), []);
  assert.match(describeLack({ hasHelper: false, hasFileSystem: true }).join(), /apt-get install nfs-common/);
  assert.match(describeLack({ hasHelper: true, hasFileSystem: false }).join(), /kernel has no nfs/);
});
