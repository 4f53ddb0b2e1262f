import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolumeClaim, StorageClass } from '../../../api/resources.gen.ts';
import { volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import { hostnameLabel } from '../../../api/well-known.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { node } from '../../objects.fixture.ts';
import { hostnamesOf, isDue, planProvisioning, takesPods } from './hostpath-plan.ts';

const { storageProvisioner, selectedNode, provisionedBy } = volumeAnnotations;
const own = 'wherry.dev/hostpath';
const claim = (
  annotations: object = { [storageProvisioner]: own },
  spec: object = {},
  metadata: object = {},
) =>
  sparse<PersistentVolumeClaim>({
    metadata: { name: 'c', namespace: 'shop', uid: 'u', resourceVersion: '3', annotations, ...metadata },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
  });
const storageClass = (more: object = {}) =>
  sparse<StorageClass>({ metadata: { name: 'standard' }, provisioner: own, ...more });
const waits = storageClass({ volumeBindingMode: 'WaitForFirstConsumer' });
const chosen = { [storageProvisioner]: own, [selectedNode]: 'n1' };

for (const [what, given, of, due] of [
  ['that asks', claim(), storageClass(), true],
  ['whose class is gone', claim(), undefined, false],
  ['that asks another', claim({ [storageProvisioner]: 'example.com/disk' }), storageClass(), false],
  ['that does not ask yet', claim({}), storageClass(), false],
  ['that has a volume', claim(undefined, { volumeName: 'v' }), storageClass(), false],
  ['that is being deleted', claim(undefined, {}, { deletionTimestamp: 'now' }), storageClass(), false],
  ['that waits for its pod', claim(), waits, false],
  ['whose pod has a node', claim(chosen), waits, true],
] as const)
  test(`it is ${due ? '' : 'not '}the turn of a claim ${what}`, () => {
    assert.equal(isDue(given, of), due);
  });

for (const [what, given, on, plan] of [
  ['whose chosen node is gone', claim(chosen), undefined, { act: 'reschedule' }],
  ['without any node', claim(), undefined, { act: 'fail', why: 'no node is ready to hold the volume' }],
  [
    'of blocks',
    claim(undefined, { volumeMode: 'Block' }),
    node('n1'),
    { act: 'fail', why: 'block volumes are not supported' },
  ],
  [
    'that wants what a snapshot holds',
    claim(undefined, { dataSourceRef: { apiGroup: 'x', kind: 'VolumeSnapshot', name: 's' } }),
    node('n1'),
    {
      act: 'fail',
      why: `plugin "${own}" is not a CSI plugin. Only CSI plugin can provision a claim with a datasource`,
    },
  ],
  [
    'that selects volumes by label',
    claim(undefined, { selector: { matchLabels: { disk: 'ssd' } } }),
    node('n1'),
    { act: 'fail', why: 'claim.Spec.Selector is not supported' },
  ],
] as const)
  test(`a claim ${what}: ${plan.act}`, () => {
    assert.deepEqual(planProvisioning(given, storageClass(), on), plan);
  });

test('a volume is a directory of the node, reserved for its claim, under a name that a second try finds', () => {
  const on = node('n1', { labels: { [hostnameLabel]: 'host-1' } });
  const plan = planProvisioning(claim(), storageClass({ mountOptions: ['ro'] }), on);
  assert.ok(plan.act === 'create');
  const { metadata, spec } = plan.volume;
  assert.deepEqual(metadata, { name: 'pvc-u', annotations: { [provisionedBy]: own } });
  assert.deepEqual(spec.hostPath, {
    path: '/var/lib/wherry-volumes/pvc-u_shop_c',
    type: 'DirectoryOrCreate',
  });
  assert.deepEqual(
    [
      spec.capacity,
      spec.persistentVolumeReclaimPolicy,
      spec.mountOptions,
      spec.volumeMode,
      spec.storageClassName,
    ],
    [{ storage: '1Gi' }, 'Delete', ['ro'], 'Filesystem', 'standard'],
  );
  assert.deepEqual([spec.claimRef?.uid, spec.claimRef?.namespace, spec.claimRef?.name], ['u', 'shop', 'c']);
  assert.deepEqual(hostnamesOf(plan.volume), ['host-1']);
});

test('nodes that are not ready, cordoned or tainted hold no new volumes', () => {
  const cordoned = node('n');
  cordoned.spec = { unschedulable: true };
  assert.deepEqual(
    [
      node('n'),
      node('n', { ready: 'Unknown' }),
      cordoned,
      node('n', { taints: [{ key: 'x', effect: 'NoSchedule' }] }),
      node('n', { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] }),
    ].map(takesPods),
    [true, false, false, false, true],
  );
});
