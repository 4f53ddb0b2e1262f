import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/resources.gen.ts';
import { volumeAnnotations } from '../../api/storage/volume-binding.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planExpansion } from './volume-expand.ts';

const claim = (asked: string, held: string, more: { phase?: 'Pending'; volumeName?: string } = {}) =>
  sparse<PersistentVolumeClaim>({
    metadata: { name: 'c', annotations: { [volumeAnnotations.bindCompleted]: 'yes' } },
    spec: { volumeName: more.volumeName ?? 'v', resources: { requests: { storage: asked } } },
    status: {
      phase: more.phase ?? 'Bound',
      capacity: { storage: held },
      conditions: [
        { type: 'Resizing', status: 'True' },
        { type: 'ModifyingVolume', status: 'True' },
      ],
    },
  });
const volume = (storage: string, provisionedBy = 'wherry.dev/hostpath') =>
  sparse<PersistentVolume>({
    metadata: { name: 'v', annotations: { [volumeAnnotations.provisionedBy]: provisionedBy } },
    spec: { capacity: { storage } },
  });

test('a claim that asks for more gets it, and so says its volume', () => {
  assert.deepEqual(planExpansion(claim('2Gi', '1Gi'), volume('1Gi')), {
    storage: '2Gi',
    status: {
      phase: 'Bound',
      capacity: { storage: '2Gi' },
      allocatedResources: { storage: '2Gi' },
      conditions: [{ type: 'ModifyingVolume', status: 'True' }],
    },
  });
});

test('a volume that was made larger already is left as it is', () => {
  const plan = planExpansion(claim('2Gi', '1Gi'), volume('2048Mi'));
  assert.deepEqual(plan && Object.keys(plan), ['status']);
});

for (const [what, given, of, expected] of [
  ['that has what it asks for', claim('1Gi', '1024Mi'), volume('1Gi'), undefined],
  ['that has more', claim('1Gi', '2Gi'), volume('2Gi'), undefined],
  ['that is not bound yet', claim('2Gi', '1Gi', { phase: 'Pending' }), volume('1Gi'), undefined],
  ['without a volume', claim('2Gi', '1Gi', { volumeName: '' }), volume('1Gi'), undefined],
  ['of another provisioner', claim('2Gi', '1Gi'), volume('1Gi', 'example.com/disk'), 'external'],
] as const)
  test(`a claim ${what}: ${expected ?? 'nothing to do'}`, () => {
    assert.equal(planExpansion(given, of), expected);
  });
