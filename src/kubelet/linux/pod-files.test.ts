import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ContainerStatus } from '../cri/messages.ts';
import { annotations } from '../pod/pod-observation.ts';
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

test('anything but a file in place of a termination message is reported, and not waited for', async (context) => {
  const rootDir = mkdtempSync(join(tmpdir(), 'wherry-pod-files-'));
  context.after(() => rmSync(rootDir, { recursive: true }));
  const files = new LinuxPodFiles({ rootDir, podLogsDir: rootDir, resolvConf: join(rootDir, 'resolv.conf') });
  const at = (name: string) => join(rootDir, name);
  const messageAt = (hostPath: string) =>
    files.terminationMessage({
      annotations: { [annotations.terminationMessagePath]: '/log' },
      mounts: [{ containerPath: '/log', hostPath }],
      exitCode: 1,
    } as unknown as ContainerStatus);
  writeFileSync(at('file'), 'farewell');
  assert.equal(await messageAt(at('file')), 'farewell');
  mkdirSync(at('folder'));
  assert.equal(
    await messageAt(at('folder')),
    `Error on reading termination log ${at('folder')}: EISDIR: illegal operation on a directory, read`,
  );
  execFileSync('mkfifo', [at('pipe')]);
  assert.equal(await messageAt(at('pipe')), undefined);
});
