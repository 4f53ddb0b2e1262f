import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KubeletContext } from '../context.ts';
import { testPod } from '../pod.fixture.ts';
import {
  type MountedVolume,
  UnfitVolumeError,
  VolumeError,
  VolumesNotReady,
} from '../volumes/pod-volumes.ts';
import { PodMounts } from './pod-mounts.ts';

test('volumes that were there serve on when they cannot be made current; those that never were do not', async () => {
  const reasons: string[] = [];
  let problem: VolumesNotReady | undefined = missing();
  const volumes = new Map<string, MountedVolume>([['v', { hostPath: '/v' }]]);
  const mounts = new PodMounts(
    sparse<KubeletContext>({
      clock: new VirtualClock(),
      recorder: { event: (...[, , reason]: string[]) => void reasons.push(reason!) },
      volumes: {
        setUp: async () => {
          if (problem) throw problem;
          return volumes;
        },
      },
    }),
  );
  const pod = testPod();
  assert.deepEqual(await mounts.setUp(pod), { retryInMs: 500, serves: false });
  assert.equal(mounts.mounted.size, 0);
  problem = undefined;
  assert.equal(await mounts.setUp(pod), undefined);
  problem = missing();
  assert.deepEqual(await mounts.setUp(pod), { retryInMs: 500, serves: true });
  assert.deepEqual(await mounts.setUp(pod), { retryInMs: 1000, serves: true });
  assert.equal(mounts.mounted, volumes);
  assert.deepEqual(reasons, ['FailedMount', 'FailedMount', 'FailedMount']);
});

test('each volume that fails gets an event, at once if no mount was tried', async () => {
  const reasons: string[] = [];
  const clock = new VirtualClock();
  const problems = [
    new VolumeError('a', 'secret "s" not found'),
    new VolumeError('b', 'not attached', { isWaiting: true }),
    new UnfitVolumeError('d', 'volume d has volumeMode Block, but is specified in volumeMounts'),
  ];
  const mounts = new PodMounts(
    sparse<KubeletContext>({
      clock,
      recorder: { event: (...words: string[]) => void reasons.push(words[3]!) },
      volumes: {
        setUp: () => Promise.reject(new VolumesNotReady(problems)),
        isAttachLimitReached: async () => false,
      },
    }),
  );
  await mounts.setUp(testPod());
  assert.deepEqual(reasons.splice(0), [
    'MountVolume.SetUp failed for volume "a" : secret "s" not found',
    'Unable to attach or mount volumes: unmounted volumes=[a b d], unattached volumes=[], failed to process volumes=[d]: volume d has volumeMode Block, but is specified in volumeMounts',
  ]);
  problems.pop();
  await clock.advance(123_000);
  await mounts.setUp(testPod());
  assert.equal(
    reasons[1],
    'Unable to attach or mount volumes: unmounted volumes=[a b], unattached volumes=[], failed to process volumes=[]: context deadline exceeded',
  );
});

function missing(): VolumesNotReady {
  return new VolumesNotReady([new VolumeError('v', 'configmap "c" not found')]);
}

test('a pod whose volume the node will not take is refused when it has waited long enough', async () => {
  const clock = new VirtualClock();
  let isFull = true;
  const problems = [
    new VolumeError('a', 'not attached', { isWaiting: true }),
    new VolumeError('b', 'secret "s" not found'),
  ];
  const mounts = new PodMounts(
    sparse<KubeletContext>({
      clock,
      recorder: { event: () => undefined },
      volumes: {
        setUp: () => Promise.reject(new VolumesNotReady(problems)),
        isAttachLimitReached: async () => isFull,
      },
    }),
  );
  const refusal = async () => (await mounts.setUp(testPod()))?.refusal;
  assert.equal(await refusal(), undefined, 'volumes may still be given up by others');
  await clock.advance(123_000);
  assert.deepEqual(await refusal(), {
    reason: 'VolumeAttachmentLimitExceeded',
    message:
      'Node has reached its volume attachment limit, rejecting pod. unmounted volumes=[a b], unattached volumes=[a], failed to process volumes=[]: context deadline exceeded',
  });
  isFull = false;
  await clock.advance(123_000);
  assert.equal(await refusal(), undefined);
});
