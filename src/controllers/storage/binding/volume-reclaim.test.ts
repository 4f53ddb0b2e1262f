import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume } from '../../../api/resources.gen.ts';
import { volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { planReclaim, type ReclaimPlan } from './volume-reclaim.ts';

const volume = (policy: 'Delete' | 'Recycle' | 'Retain', source: object, provisionedBy?: string) =>
  sparse<PersistentVolume>({
    metadata: {
      name: 'v',
      ...(provisionedBy && { annotations: { [volumeAnnotations.provisionedBy]: provisionedBy } }),
    },
    spec: { persistentVolumeReclaimPolicy: policy, ...source },
  });
const hostPath = (path: string) => ({ hostPath: { path } });
const failed = (message: string): ReclaimPlan => ({ act: 'fail', reason: 'VolumeFailedDelete', message });

/** The volume; what is done with it. */
const rows: [string, PersistentVolume, ReclaimPlan][] = [
  ['retained', volume('Retain', hostPath('/tmp/x')), { act: 'keep' }],
  ['recycled', volume('Recycle', hostPath('/data')), { act: 'recycle', path: '/data' }],
  [
    'recycled, but no directory',
    volume('Recycle', { nfs: {} }),
    { act: 'fail', reason: 'VolumeFailedRecycle', message: 'No recycler plugin found for the volume!' },
  ],
  ['below /tmp, made by hand', volume('Delete', hostPath('/tmp/x')), { act: 'delete', path: '/tmp/x' }],
  [
    'elsewhere, made by hand',
    volume('Delete', hostPath('/etc')),
    failed('host_path deleter only supports /tmp/.+ but received provided /etc'),
  ],
  [
    '/tmp itself, made by hand',
    volume('Delete', hostPath('/tmp/')),
    failed('host_path deleter only supports /tmp/.+ but received provided /tmp/'),
  ],
  [
    'of another kind, made by hand',
    volume('Delete', { nfs: {} }),
    failed('error getting deleter volume plugin for volume "v": no deletable volume plugin matched'),
  ],
  [
    'provisioned here',
    volume('Delete', hostPath('/var/lib/v'), 'wherry.dev/hostpath'),
    { act: 'delete', path: '/var/lib/v' },
  ],
  [
    'provisioned here, without a directory',
    volume('Delete', {}, 'rancher.io/local-path'),
    { act: 'delete', path: undefined },
  ],
  ['provisioned by a driver', volume('Delete', { csi: {} }, 'example.com/disk'), { act: 'keep' }],
];
for (const [what, given, plan] of rows)
  test(`the reclaim of a volume ${what}: ${plan.act}`, () => {
    assert.deepEqual(planReclaim(given), plan);
  });
