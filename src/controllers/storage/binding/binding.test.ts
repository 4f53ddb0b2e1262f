import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import {
  boundClaim,
  boundStatus,
  claimedVolume,
  provisionerMarks,
  unboundStatus,
  volumeStatus,
} from './binding.ts';

const { boundByController, bindCompleted, storageProvisioner, betaStorageProvisioner } = volumeAnnotations;
const claim = (more: { annotations?: Record<string, string>; volumeName?: string; status?: object } = {}) =>
  sparse<PersistentVolumeClaim>({
    metadata: {
      name: 'c',
      namespace: 'default',
      uid: 'u',
      resourceVersion: '7',
      annotations: more.annotations ?? {},
    },
    spec: { ...(more.volumeName && { volumeName: more.volumeName }) },
    status: more.status ?? {},
  });
const volume = (claimRef?: object, status: object = {}) =>
  sparse<PersistentVolume>({
    metadata: { name: 'v', annotations: { mine: 'x' } },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], ...(claimRef && { claimRef }) },
    status,
  });

test('a free volume is reserved for its claim, and remembers that nobody asked for it', () => {
  const reserved = claimedVolume(volume(), claim());
  assert.deepEqual(reserved?.metadata.annotations, { mine: 'x', [boundByController]: 'yes' });
  assert.deepEqual(reserved?.spec?.claimRef, {
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    namespace: 'default',
    name: 'c',
    uid: 'u',
    resourceVersion: '7',
  });
});

test('a volume that the user has reserved by name gets the uid, and is not marked', () => {
  const reserved = claimedVolume(volume({ namespace: 'default', name: 'c' }), claim());
  assert.deepEqual([reserved?.spec?.claimRef?.uid, reserved?.metadata.annotations], ['u', { mine: 'x' }]);
  assert.equal(claimedVolume(reserved!, claim()), undefined);
});

test('a claim is marked as bound, and by whom', () => {
  const bound = boundClaim(claim(), 'v');
  assert.equal(bound?.spec?.volumeName, 'v');
  assert.deepEqual(bound?.metadata.annotations, { [boundByController]: 'yes', [bindCompleted]: 'yes' });
  assert.equal(boundClaim(bound!, 'v'), undefined);
  assert.deepEqual(boundClaim(claim({ volumeName: 'v' }), 'v')?.metadata.annotations, {
    [bindCompleted]: 'yes',
  });
});

test("a bound claim's status describes its volume, and is written once", () => {
  const status = boundStatus(claim(), volume());
  assert.deepEqual(status, { phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' } });
  assert.equal(boundStatus(claim({ status: { ...status, capacity: {} } }), volume()), undefined);
});

test("a bound claim's status follows what its volume offers", () => {
  const was = { phase: 'Bound', accessModes: ['ReadWriteMany'], capacity: { storage: '500Mi' } };
  assert.deepEqual(boundStatus(claim({ status: was }), volume()), { ...was, accessModes: ['ReadWriteOnce'] });
});

test('a claim that has lost its volume describes it no longer', () => {
  const bound = {
    phase: 'Bound',
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteOnce'],
    conditions: [],
  };
  assert.deepEqual(unboundStatus(claim({ status: bound }), 'Lost'), { phase: 'Lost', conditions: [] });
  assert.equal(unboundStatus(claim({ status: { phase: 'Lost' } }), 'Lost'), undefined);
});

test('a claim names its provisioner under both names, once', () => {
  const provisioner = 'example.com/disk';
  const marks = provisionerMarks(claim(), provisioner);
  assert.deepEqual(marks, { [storageProvisioner]: provisioner, [betaStorageProvisioner]: provisioner });
  assert.equal(provisionerMarks(claim({ annotations: marks }), provisioner), undefined);
});

test('a volume that is no longer Failed does not say why it was', () => {
  const status = { phase: 'Failed', message: 'no', reason: 'x', lastPhaseTransitionTime: 't' };
  assert.deepEqual(volumeStatus(volume(undefined, status), 'Available'), {
    phase: 'Available',
    lastPhaseTransitionTime: 't',
  });
  assert.equal(volumeStatus(volume(undefined, { phase: 'Bound' }), 'Bound'), undefined);
});
