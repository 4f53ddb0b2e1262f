import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { Kubelet } from '../../kubelet.ts';
import { exited, observedPod, testContainer, testPod } from '../../pod.fixture.ts';
import { logSizeMetrics } from './log-sizes.ts';

test('the logs of a container are counted together, those of earlier attempts and rotated ones too', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-log-sizes-'));
  t.after(() => rmSync(root, { recursive: true }));
  const folder = join(root, 'c');
  mkdirSync(folder);
  const files = ['0.log', '1.log', '1.log.20260101-000000'].map((name) => join(folder, name));
  for (const file of files) writeFileSync(file, 'x'.repeat(10_000));
  const observed = observedPod(
    testContainer('c', { logPath: files[1]!, restartCount: 1 }),
    exited('c', 1, { logPath: files[0]! }),
    testContainer('without', { logPath: '' }),
  );
  const worker = { uid: 'u', pod: testPod(), observed };
  const shown = (rootDir: string | undefined) =>
    logSizeMetrics(
      sparse<Kubelet>({ context: { machine: { rootDir } }, pods: { workers: () => [worker].values() } }),
    );
  const bytes = [folder, ...files].reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
  assert.ok(bytes >= 30_000);
  assert.equal(
    (await shown(root)).split('\n')[2],
    `kubelet_container_log_filesystem_used_bytes{uid="u",namespace="ns",pod="p",container="c"} ${bytes}`,
  );
  assert.equal(await shown(undefined), '');
});
