import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { planVolume, withoutClaim } from './volume-plan.ts';

const { provisionedBy, boundByController } = volumeAnnotations;
const reference = { namespace: 'default', name: 'c', uid: 'u', resourceVersion: '1' };
const volume = (claimRef?: object, annotations: object = {}, policy: 'Delete' | 'Retain' = 'Delete') =>
  sparse<PersistentVolume>({
    metadata: { name: 'v', annotations },
    spec: { persistentVolumeReclaimPolicy: policy, ...(claimRef && { claimRef }) },
  });
const claim = (uid: string, volumeName?: string) =>
  sparse<PersistentVolumeClaim>({
    metadata: { name: 'c', uid },
    spec: { ...(volumeName && { volumeName }) },
  });

for (const [what, given, of, kind] of [
  ['that names none', volume(), undefined, 'available'],
  ['reserved for one that may come', volume({ namespace: 'default', name: 'c' }), claim('u'), 'available'],
  ['that binds to it', volume(reference), claim('u'), 'leaveToClaim'],
  [
    'of another mode that names none',
    volume(reference),
    sparse<PersistentVolumeClaim>({ metadata: { name: 'c', uid: 'u' }, spec: { volumeMode: 'Block' } }),
    'mismatched',
  ],
  ['bound to it', volume(reference), claim('u', 'v'), 'bound'],
  ['that is gone', volume(reference), undefined, 'reclaim'],
  ['of the name of one that is gone', volume(reference), claim('u2', 'v'), 'reclaim'],
  ['with another volume', volume(reference), claim('u', 'w'), 'unbind'],
  [
    'with another volume, made for it',
    volume(reference, { [provisionedBy]: 'x' }),
    claim('u', 'w'),
    'reclaim',
  ],
  [
    'with another volume, made for it and retained',
    volume(reference, { [provisionedBy]: 'x' }, 'Retain'),
    claim('u', 'w'),
    'unbind',
  ],
] as const)
  test(`a volume and a claim ${what}: ${kind}`, () => {
    assert.equal(planVolume(given, of).kind, kind);
  });

test('a volume that is set free forgets its claim, unless the user had reserved it by name', () => {
  const free = withoutClaim(volume(reference, { [boundByController]: 'yes', mine: 'x' }));
  assert.deepEqual([free.spec?.claimRef, free.metadata.annotations], [undefined, { mine: 'x' }]);
  assert.deepEqual(withoutClaim(volume(reference)).spec?.claimRef, { namespace: 'default', name: 'c' });
});
