import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { pluginOf, pluginOfClaimed } from './volume-plugin.ts';

test('volumes have the plugin that they name, CSI volumes with their driver, claims that of their volume', () => {
  const rows: [source: Partial<core.Volume>, plugin: string | undefined][] = [
    [{ configMap: {} }, 'kubernetes.io/configmap'],
    [{ downwardAPI: {} }, 'kubernetes.io/downward-api'],
    [{ image: {} }, 'kubernetes.io/image'],
    [{ csi: { driver: 'd.io' } }, 'kubernetes.io/csi:d.io'],
    [{ persistentVolumeClaim: { claimName: 'c' } }, undefined],
    [{ ephemeral: {} }, undefined],
    [{ iscsi: { targetPortal: '', iqn: '', lun: 0 } }, 'N/A'],
  ];
  for (const [source, plugin] of rows) assert.equal(pluginOf({ name: 'v', ...source }), plugin);
  const claimed: [spec: object, plugin: string][] = [
    [{ local: { path: '/d' } }, 'kubernetes.io/local-volume'],
    [{ hostPath: { path: '/d' } }, 'kubernetes.io/host-path'],
    [{ csi: { driver: 'd.io' } }, 'kubernetes.io/csi:d.io'],
    [{ nfs: { server: 's', path: '/' } }, 'kubernetes.io/nfs'],
    [{ iscsi: {} }, 'N/A'],
  ];
  for (const [spec, plugin] of claimed)
    assert.equal(pluginOfClaimed(sparse<PersistentVolume>({ spec })), plugin);
});
