import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { unmountBelow } from '../../linux/mounts.ts';
import { testPod } from '../../pod.fixture.ts';
import { computeMemorySize, makeEmptyDir } from './empty-dir.ts';

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

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'groups and mounts need root' };
const node = { allocatable: { memory: '64Mi' } };

test('an agent that starts again leaves a volume as its pod has made it', needsRoot, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-empty-dir-'));
  t.after(async () => {
    await unmountBelow(root);
    rmSync(root, { recursive: true });
  });
  const pod = testPod({ securityContext: { fsGroup: 1234 } });
  for (const [medium, mode] of [
    ['', 0o2777],
    ['Memory', 0o3777],
  ] as const) {
    const folder = join(root, `volume${medium}`);
    const make = () => makeEmptyDir({ pod, source: { medium }, folder, node });
    await make();
    assert.deepEqual([statSync(folder).mode & 0o7777, statSync(folder).gid], [mode, 1234]);
    const key = join(folder, 'key');
    writeFileSync(key, '', { mode: 0o600 });
    chmodSync(folder, 0o700);
    await make();
    assert.deepEqual(
      [folder, key].map((path) => statSync(path).mode & 0o7777),
      [0o700, 0o600],
    );
  }
  assert.deepEqual(readdirSync(root).sort(), ['volume', 'volumeMemory']);
});
