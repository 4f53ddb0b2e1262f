import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupHierarchies, isUnified } from './cgroup.ts';

const line = (path: string, type: string, options: string) =>
  `30 25 0:26 / ${path} rw,nosuid shared:4 - ${type} ${type} ${options}\n`;

test('hierarchies are read from the mounts: version 2 alone, version 1, and both', () => {
  const unified = cgroupHierarchies(line('/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate'));
  assert.deepEqual(unified, [{ path: '/sys/fs/cgroup', version: 2, controllers: [] }]);
  assert.equal(isUnified(unified), true);

  const hybrid = cgroupHierarchies(
    line('/', 'ext4', 'rw') +
      line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct') +
      line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd') +
      line('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
  );
  assert.deepEqual(
    hybrid.map(({ path, version }) => [path, version]),
    [
      ['/sys/fs/cgroup/cpu,cpuacct', 1],
      ['/sys/fs/cgroup/systemd', 1],
      ['/sys/fs/cgroup/unified', 2],
    ],
  );
  assert.deepEqual(hybrid[0]!.controllers, ['cpu', 'cpuacct']);
  assert.equal(isUnified(hybrid), false);
  assert.equal(isUnified(cgroupHierarchies('')), false);
});
