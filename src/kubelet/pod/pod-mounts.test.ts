import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KubeletContext } from '../context.ts';
import { testPod } from '../pod.fixture.ts';
import { type MountedVolume, VolumeError } from '../volumes/pod-volumes.ts';
import { PodMounts } from './pod-mounts.ts';

test('volumes that were there serve on when they cannot be made current; those that never were do not', async () => {
  const told: string[] = [];
  let problem: VolumeError | undefined = new VolumeError('v', 'configmap "c" not found');
  const volumes = new Map<string, MountedVolume>([['v', { hostPath: '/v' }]]);
  const mounts = new PodMounts({
    clock: new VirtualClock(),
    recorder: { event: (...[, , reason]: string[]) => void told.push(reason!) },
    volumes: {
      setUp: async () => {
        if (problem) throw problem;
        return volumes;
      },
    },
  } as unknown as KubeletContext);
  const pod = testPod();
  assert.deepEqual(await mounts.setUp(pod), { retryInMs: 500, serves: false });
  assert.equal(mounts.mounted.size, 0);
  problem = undefined;
  assert.equal(await mounts.setUp(pod), undefined);
  problem = new VolumeError('v', 'configmap "c" not found');
  assert.deepEqual(await mounts.setUp(pod), { retryInMs: 500, serves: true });
  assert.deepEqual(await mounts.setUp(pod), { retryInMs: 1000, serves: true });
  assert.equal(mounts.mounted, volumes);
  assert.deepEqual(told, ['FailedMount', 'FailedMount', 'FailedMount']);
});
