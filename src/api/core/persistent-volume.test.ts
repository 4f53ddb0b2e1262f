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

test('a volume keeps having a class of attributes', () => {
  const of = (volumeAttributesClassName?: string) =>
    ({
      metadata: { name: 'v' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        csi: { driver: 'd', volumeHandle: 'h' },
        volumeMode: 'Filesystem',
        ...(volumeAttributesClassName && { volumeAttributesClassName }),
      },
    }) as unknown as PersistentVolume;
  const errors = (now: PersistentVolume, before: PersistentVolume) =>
    [...persistentVolumeKind.validateUpdate!(now, before, { subresource: '' })].map(({ text }) => text);
  assert.deepEqual(errors(of('b'), of('a')), []);
  assert.deepEqual(errors(of('a'), of()), []);
  assert.deepEqual(errors(of(), of('a')), [
    'spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden',
  ]);
});
