import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseWritableLayers } from './pod-files.ts';

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
