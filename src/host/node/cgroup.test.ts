import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  cgroupHierarchies,
  ensureCgroup,
  isUnified,
  removeCgroup,
  removeEmptyParents,
  thawCgroup,
} from './cgroup.ts';

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

/** Of this machine, if tests may make groups here. */
function writableHierarchies() {
  const hierarchies = cgroupHierarchies();
  try {
    for (const { path } of hierarchies) accessSync(path, constants.W_OK);
    return hierarchies;
  } catch {
    return [];
  }
}

test('the group of all clusters weighs as much as the machine has cores', async (context) => {
  const hierarchies = writableHierarchies();
  const name = `/wherry-test-${randomUUID()}`;
  const files = hierarchies
    .flatMap(({ path }) => ['cpu.shares', 'cpu.weight'].map((file) => ({ root: path, file })))
    .filter(({ root, file }) => existsSync(join(root, file)) || existsSync(join(root, 'wherry', file)));
  if (process.getuid?.() !== 0 || hierarchies.length === 0)
    return context.skip('needs root and control groups');
  try {
    ensureCgroup(hierarchies, `${name}/cluster/node`);
    for (const { root, file } of files) {
      const ordinary = Number(readFileSync(join(root, name, 'cluster', file), 'utf8'));
      const weight = Number(readFileSync(join(root, name, file), 'utf8'));
      assert.equal(weight, ordinary * availableParallelism());
    }
  } finally {
    await removeCgroup(hierarchies, name);
    removeEmptyParents(hierarchies, name);
  }
});

test('a group whose processes are frozen is removed with them', async (context) => {
  const hierarchies = writableHierarchies();
  const freezer = hierarchies.find(({ controllers }) => controllers.includes('freezer'));
  if (process.getuid?.() !== 0 || !freezer) return context.skip('needs root and a freezer of version 1');
  const name = `/wherry-test-${randomUUID()}`;
  const pod = join(freezer.path, name, 'pod');
  ensureCgroup(hierarchies, `${name}/pod/container`);
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    writeFileSync(join(pod, 'container/cgroup.procs'), String(sleeper.pid));
    writeFileSync(join(pod, 'freezer.state'), 'FROZEN');
    const ended = once(sleeper, 'exit');
    await removeCgroup(hierarchies, name);
    await ended;
    for (const { path } of hierarchies) assert.ok(!existsSync(join(path, name)));
  } finally {
    if (existsSync(pod)) thawCgroup(hierarchies, name);
    sleeper.kill('SIGKILL');
  }
});
