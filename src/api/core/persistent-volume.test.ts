import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume } from '../resources.gen.ts';
import { persistentVolumeKind } from './persistent-volume.ts';

const key = 'volume.beta.kubernetes.io/mount-options';
const errorsOf = (
  source: object,
  annotations: Record<string, string> = { [key]: 'ro' },
  subresource = '',
) => {
  const spec = {
    accessModes: ['ReadWriteOnce'],
    capacity: { storage: '1Gi' },
    volumeMode: 'Filesystem',
    persistentVolumeReclaimPolicy: 'Retain',
    ...source,
  };
  const volume = { metadata: { name: 'v', annotations }, spec } as unknown as PersistentVolume;
  return [...persistentVolumeKind.validate(volume, { isUpdate: false, subresource })].map(({ text }) => text);
};

test('options for mounting are for sources that are mounted', () => {
  const hostPath = { path: '/data', type: '' };
  assert.deepEqual(errorsOf({ hostPath }), [
    `metadata.annotations.${key}: Forbidden: may not specify mount options for this volume type`,
  ]);
  assert.deepEqual(errorsOf({ hostPath }, {}), []);
  assert.deepEqual(errorsOf({ hostPath }, { [key]: '' }, 'status'), []);
  assert.deepEqual(errorsOf({ nfs: { server: 'n', path: '/' } }), []);
});
