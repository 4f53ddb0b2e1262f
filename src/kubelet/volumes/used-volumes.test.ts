import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { volumesUsed } from './used-volumes.ts';

test('volumes that no container names are not used, whatever the kind of the container', () => {
  const container = (name: string) => ({ name, volumeMounts: [{ name, mountPath: '/v' }] });
  const spec = {
    volumes: ['init', 'main', 'debug', 'disk', 'idle'].map((name) => ({ name })),
    initContainers: [container('init')],
    containers: [{ ...container('main'), volumeDevices: [{ name: 'disk', devicePath: '/dev/x' }] }],
    ephemeralContainers: [container('debug')],
  };
  const { mounted, mapped } = volumesUsed(sparse<Pod>({ spec }));
  assert.deepEqual([...mounted], ['init', 'main', 'debug']);
  assert.deepEqual([...mapped], ['disk']);
});
