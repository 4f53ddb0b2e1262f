import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '../pod.fixture.ts';
import { computeMemorySize } from './empty-dir.ts';

const mebi = 1024 ** 2;

const rows: { name: string; limits: (string | undefined)[]; sizeLimit?: string; sizeMi: number }[] = [
  { name: 'of a pod without a limit, as much as the node has', limits: [undefined], sizeMi: 512 },
  { name: 'what its containers may use together', limits: ['64Mi', '32Mi'], sizeMi: 96 },
  { name: 'one container without a limit unbinds the pod', limits: ['64Mi', undefined], sizeMi: 512 },
  { name: 'its own size', limits: ['64Mi'], sizeLimit: '10Mi', sizeMi: 10 },
  { name: 'its own size is not more than the pod may use', limits: ['64Mi'], sizeLimit: '100Mi', sizeMi: 64 },
  { name: 'a size of nothing is none', limits: [undefined], sizeLimit: '0', sizeMi: 512 },
];

test('a volume in memory is as large as it says, within what its pod and its node may use', () => {
  for (const { name, limits, sizeLimit, sizeMi } of rows) {
    const containers = limits.map((memory, index) => ({
      name: `c${index}`,
      ...(memory && { resources: { limits: { memory } } }),
    }));
    const pod = testPod({ containers });
    assert.equal(
      computeMemorySize(pod, sizeLimit, { allocatable: { memory: '512Mi' } }),
      sizeMi * mebi,
      name,
    );
  }
  assert.equal(computeMemorySize(testPod(), undefined, { allocatable: {} }), undefined);
});
