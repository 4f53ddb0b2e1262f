import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findProvisioner } from './class-provisioner.ts';

for (const [provisioner, expected] of [
  ['example.com/disks', { name: 'example.com/disks' }],
  ['constructor', { name: 'constructor' }],
  ['kubernetes.io/gce-pd', { name: 'pd.csi.storage.gke.io' }],
  [
    'kubernetes.io/no-provisioner',
    { problem: 'no volume plugin matched name: kubernetes.io/no-provisioner' },
  ],
  ['kubernetes.io/glusterfs', { problem: 'no volume plugin matched name: kubernetes.io/glusterfs' }],
  ['kubernetes.io/nfs', { problem: 'no provisionable volume plugin matched' }],
] as const)
  test(`volumes of a class of ${provisioner} ${'name' in expected ? `are made by ${expected.name}` : 'are made by none'}`, () =>
    assert.deepEqual(findProvisioner(provisioner), expected));
