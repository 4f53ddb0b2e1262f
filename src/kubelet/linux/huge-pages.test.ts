import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readHugePages } from './huge-pages.ts';

test('pages that are set aside count by size, as far as the kernel has that size', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-huge-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [size, count] of [
    ['2048', '64'],
    ['1048576', '0'],
  ]) {
    mkdirSync(join(root, `hugepages-${size}kB`));
    writeFileSync(join(root, `hugepages-${size}kB`, 'nr_hugepages'), `${count}\n`);
  }
  assert.deepEqual(await readHugePages(root), { '2Mi': 128 * 1024 ** 2, '1Gi': 0 });
  assert.deepEqual(await readHugePages(join(root, 'none')), {});
});
