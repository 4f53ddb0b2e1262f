import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '../test-pod.ts';
import {
  defaultThresholds,
  evictionMessage,
  metThresholds,
  observe,
  type PodUse,
  pressureOf,
  rankForEviction,
} from './eviction-plan.ts';
import { exceededLimit, hasStorageLimits } from './local-storage.ts';

const mebibyte = 1024 ** 2;
const disk = (available: number) => ({
  capacityBytes: 1000,
  availableBytes: available,
  usedBytes: 0,
  inodes: 100,
  inodesFree: 50,
});

test('thresholds are met by what is available, absolute or as a part, memory first', () => {
  const usage = { memoryAvailableBytes: 50 * mebibyte, nodeFs: disk(50), imageFs: disk(900) };
  const met = metThresholds(defaultThresholds, observe(usage, 1024 * mebibyte)).map(({ signal }) => signal);
  assert.deepEqual(met, ['memory.available', 'nodefs.available']);
  assert.deepEqual(pressureOf(met), { memoryPressure: true, diskPressure: true, pidPressure: false });
  assert.deepEqual(
    metThresholds(defaultThresholds, observe({ nodeFs: { ...disk(500), inodes: 0, inodesFree: 0 } }, 1)),
    [],
  );
});

function use(name: string, memoryMi: number, requestMi: number, priority = 0): PodUse {
  const pod = testPod({
    priority,
    containers: [{ name: 'c', resources: { requests: { memory: `${requestMi}Mi` } } }],
  });
  return {
    pod: { ...pod, metadata: { ...pod.metadata, name } },
    memoryBytes: memoryMi * mebibyte,
    diskBytes: 0,
    pids: 0,
  };
}

test('those above their requests go first, then by priority, then by how far above', () => {
  const ranked = rankForEviction('memory.available', [
    use('within', 90, 100),
    use('above', 150, 100),
    use('far-above', 300, 100),
    use('above-important', 900, 100, 10),
    use('critical', 900, 0, 2_000_000_000),
  ]);
  assert.deepEqual(
    ranked.map(({ pod }) => pod.metadata.name),
    ['far-above', 'above', 'above-important', 'within'],
  );
});

test('the evicted are told why in the words that users know', () => {
  const threshold = { signal: 'memory.available', minimum: 100 * mebibyte } as const;
  assert.equal(
    evictionMessage(threshold, { available: 50 * mebibyte, capacity: 1 }, use('p', 300, 100)),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 300Mi, request is 100Mi, has larger consumption of memory. ',
  );
});

test('limits on local storage: of an emptyDir, of a container, of all together', () => {
  const pod = testPod({
    containers: [{ name: 'c', resources: { limits: { 'ephemeral-storage': '10Mi' } } }],
    volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }],
  });
  const check = (volumeMi: number, containerMi: number) =>
    exceededLimit(pod, {
      emptyDirs: new Map([['v', volumeMi * mebibyte]]),
      containers: new Map([['c', containerMi * mebibyte]]),
    });
  assert.equal(check(1, 1), undefined);
  assert.equal(check(2, 1), 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ');
  assert.equal(
    check(1, 10),
    'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ',
  );
  assert.equal(hasStorageLimits(pod), true);
  assert.equal(hasStorageLimits(testPod({ volumes: [{ name: 'v', emptyDir: {} }] })), false);
});
