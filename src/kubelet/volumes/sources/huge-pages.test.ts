import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { unmountBelow } from '../../linux/mounts.ts';
import { testPod } from '../../pod.fixture.ts';
import { makeEmptyDir } from './empty-dir.ts';
import { pageSizeOf } from './huge-pages.ts';

const asking = (...names: string[]) =>
  testPod({
    containers: names.map((name, index) => ({
      name: `c${index}`,
      resources: { requests: { [name]: '4Mi', cpu: '1' } },
    })),
  });
const none =
  /^Error: medium (\S+): hugePages storage requested, but there is no resource request for huge pages$/;

const rows: [medium: string, pod: ReturnType<typeof testPod>, outcome: string | RegExp][] = [
  ['HugePages', asking('hugepages-2Mi'), '2Mi'],
  ['HugePages', asking('hugepages-2Mi', 'hugepages-2048Ki'), '2Mi'],
  ['HugePages', testPod({ resources: { requests: { 'hugepages-1Gi': '1Gi' } } }), '1Gi'],
  ['HugePages', asking('hugepages-2Mi', 'hugepages-1Gi'), /^Error: medium: HugePages can't be used if/],
  ['HugePages', asking('memory'), none],
  ['HugePages-1Gi', asking('hugepages-2Mi', 'hugepages-1Gi'), '1Gi'],
  ['HugePages-1Gi', asking('hugepages-2Mi'), none],
];

test('the pages of a volume have the size that it names, or the only one that its pod asks for', () => {
  for (const [medium, pod, outcome] of rows)
    if (typeof outcome === 'string') assert.equal(pageSizeOf(medium, pod), outcome);
    else assert.throws(() => pageSizeOf(medium, pod), outcome);
});

const skip =
  process.getuid?.() !== 0 || !existsSync('/sys/kernel/mm/hugepages/hugepages-2048kB')
    ? 'needs root, and a kernel with huge pages of 2 MiB'
    : false;

test('a volume in huge pages is a file system of them, mounted once', { skip }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-huge-'));
  t.after(async () => {
    await unmountBelow(root);
    rmSync(root, { recursive: true });
  });
  const folder = join(root, 'volume');
  const { spec } = asking('hugepages-2Mi');
  const pod = testPod({ ...spec, securityContext: { fsGroup: 1234 } });
  const node = { allocatable: {} };
  for (let round = 0; round < 2; round++)
    await makeEmptyDir({ pod, source: { medium: 'HugePages' }, folder, node });
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[1] === folder);
  assert.equal(mounts.length, 1);
  assert.match(mounts[0]!, / hugetlbfs .*\bpagesize=2M\b/);
  assert.deepEqual([statSync(folder).gid, statSync(folder).mode & 0o2070], [1234, 0o2070]);
});
