import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CSIStorageCapacity, PersistentVolumeClaim, StorageClass } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { hasEnoughCapacity } from './storage-capacity.ts';
import type { VolumeListers } from './volume-listers.ts';

const claim = sparse<PersistentVolumeClaim>({ spec: { resources: { requests: { storage: '1Gi' } } } });
const storageClass = { metadata: { name: 'fast' }, provisioner: 'd' } as StorageClass;
const node = { labels: { zone: 'a' } };

function isEnough(capacities: object[], storageCapacity: boolean | undefined = true): boolean {
  return hasEnoughCapacity(
    claim,
    storageClass,
    node,
    sparse<VolumeListers>({
      drivers: { get: (name: string) => (name === 'd' ? { spec: { storageCapacity } } : undefined) },
      capacities: { list: () => capacities as CSIStorageCapacity[] },
    }),
  );
}

test('a driver that publishes its capacity must have enough for the class where the node is', () => {
  const here = { storageClassName: 'fast', nodeTopology: {}, capacity: '1Gi' };
  const cases: [object[], boolean][] = [
    [[], false],
    [[here], true],
    [[{ ...here, nodeTopology: { matchLabels: { zone: 'a' } } }], true],
    [[{ ...here, nodeTopology: { matchLabels: { zone: 'b' } } }], false],
    [[{ ...here, nodeTopology: undefined }], false],
    [[{ ...here, storageClassName: 'slow' }], false],
    [[{ ...here, capacity: '1023Mi' }], false],
    [[{ ...here, capacity: undefined }], false],
    [[{ ...here, maximumVolumeSize: '1Mi' }], false],
    [[{ ...here, capacity: '1Mi', maximumVolumeSize: '2Gi' }], true],
    [[{ ...here, capacity: '1Mi' }, here], true],
  ];
  for (const [capacities, expected] of cases)
    assert.equal(isEnough(capacities), expected, JSON.stringify(capacities));
});

test('the capacity of a driver that does not publish it is not checked', () => {
  assert.equal(isEnough([], false), true);
  const other = { ...storageClass, provisioner: 'other' };
  const listers = sparse<VolumeListers>({ drivers: { get: () => undefined } });
  assert.equal(hasEnoughCapacity(claim, other, node, listers), true);
});
