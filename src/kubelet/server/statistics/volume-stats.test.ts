import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../base/logger.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import type { Kubelet } from '../../kubelet.ts';
import type { PodWorker } from '../../pod/pod-worker.ts';
import { testPod } from '../../pod.fixture.ts';
import type { VolumeUse } from '../../volumes/pod-volumes.ts';
import { VolumeStats } from './volume-stats.ts';

const use: VolumeUse = {
  name: 'v',
  claimName: 'claim',
  availableBytes: 1,
  capacityBytes: 2,
  usedBytes: 1,
  inodes: 0,
  inodesFree: 0,
  inodesUsed: 0,
};

test('volumes that do not answer are not queried twice, others after a while', async () => {
  const worker = sparse<PodWorker>({ uid: 'u', pod: testPod() });
  const clock = new VirtualClock();
  const questions: PromiseWithResolvers<VolumeUse[]>[] = [];
  const usage = () => {
    questions.push(Promise.withResolvers<VolumeUse[]>());
    return questions.at(-1)!.promise;
  };
  const kubelet = sparse<Kubelet>({
    context: { clock, logger: silentLogger, volumes: { usage } },
  });
  const stats = new VolumeStats(kubelet);
  const ask = async () => (await stats.ofPod(worker)).map(({ pvcRef }) => pvcRef?.name);
  const first = ask();
  await clock.advance(120_000);
  assert.deepEqual(await first, [], 'who asks waits for it no longer than for the rest');
  const second = ask();
  assert.equal(questions.length, 1);
  questions[0]!.resolve([use]);
  assert.deepEqual(await second, ['claim']);
  await ask();
  assert.equal(questions.length, 1);
  await clock.advance(61_000);
  const third = ask();
  assert.equal(questions.length, 2);
  await clock.advance(10_000);
  assert.deepEqual(await third, ['claim'], 'what it said last');
  const fourth = ask();
  questions[1]!.reject(new Error('gone'));
  assert.deepEqual(await fourth, []);
});
