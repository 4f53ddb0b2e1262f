import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LinuxPodFiles, parseWritableLayers } from './pod-files.ts';

test('writable layers are found by the overlays that containers have as their root', () => {
  const id = 'ab'.repeat(32);
  const overlay = (point: string) =>
    `99 50 0:44 / ${point} rw,relatime shared:7 - overlay overlay rw,lowerdir=/s/1/fs:/s/2/fs,upperdir=/s/9/fs,workdir=/s/9/work`;
  const found = parseWritableLayers(
    [
      '21 26 0:20 / /proc rw,relatime - proc proc rw',
      overlay(`/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/rootfs`),
      overlay('/somewhere/else'),
      '',
    ].join('\n'),
  );
  assert.deepEqual([...found], [[id, '/s/9/fs']]);
});

test("a pod that starts after the machine's name servers have changed is given the new ones", async (context) => {
  const rootDir = mkdtempSync(join(tmpdir(), 'wherry-pod-files-'));
  context.after(() => rmSync(rootDir, { recursive: true }));
  const resolvConf = join(rootDir, 'resolv.conf');
  const files = new LinuxPodFiles({ rootDir, podLogsDir: rootDir, resolvConf });
  for (const server of ['192.0.2.1', '192.0.2.2']) {
    writeFileSync(resolvConf, `nameserver ${server}\n`);
    assert.deepEqual((await files.hostResolver()).servers, [server]);
  }
});
