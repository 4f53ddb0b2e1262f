import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testPod } from '../pod.fixture.ts';
import { LinuxCgroups } from './cgroups.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-cgroups-'));
after(() => rmSync(folder, { recursive: true }));

const resources = { 'hugepages-2Mi': '64Mi', cpu: '1', memory: '1Gi' };
const pod = testPod({ containers: [{ name: 'c', resources: { limits: resources, requests: resources } }] });
const path = 'node/kubepods/podu';

/** The files that the kernel creates in a new group. */
function fill(group: string, ...names: string[]): void {
  mkdirSync(group, { recursive: true });
  for (const name of names) writeFileSync(join(group, name), '');
}

test('a pod has the huge pages that it asked for, and none of other sizes: cgroup v1', async () => {
  const mount = join(folder, 'v1');
  for (const controller of ['cpu', 'memory']) mkdirSync(join(mount, controller), { recursive: true });
  const group = join(mount, 'hugetlb', path);
  fill(group, 'hugetlb.2MB.limit_in_bytes', 'hugetlb.1GB.limit_in_bytes', 'hugetlb.2MB.usage_in_bytes');
  await new LinuxCgroups('/node', undefined, mount).apply(pod);
  const read = (name: string) => readFileSync(join(group, name), 'utf8');
  assert.equal(read('hugetlb.2MB.limit_in_bytes'), String(64 * 1024 ** 2));
  assert.equal(read('hugetlb.1GB.limit_in_bytes'), '0');
  assert.equal(read('hugetlb.2MB.usage_in_bytes'), '');
});

test('a pod has the huge pages that it asked for, and none of other sizes: cgroup v2', async () => {
  const mount = join(folder, 'v2');
  for (const step of ['', 'node', 'node/kubepods', 'node/kubepods/burstable', path])
    fill(join(mount, step), 'cgroup.controllers', 'cgroup.subtree_control');
  const group = join(mount, path);
  fill(group, 'hugetlb.2MB.max', 'hugetlb.1GB.max', 'hugetlb.2MB.current');
  await new LinuxCgroups('/node', undefined, mount).apply(pod);
  const read = (name: string) => readFileSync(join(group, name), 'utf8');
  assert.equal(read('hugetlb.2MB.max'), String(64 * 1024 ** 2));
  assert.equal(read('hugetlb.1GB.max'), '0');
  assert.equal(read('hugetlb.2MB.current'), '');
  assert.equal(read('memory.max'), String(1024 ** 3));
});

test('the share of burstable pods that could not be written is written with the next pod', async () => {
  const mount = join(folder, 'shares');
  const burstable = join(mount, 'node/kubepods/burstable');
  for (const step of ['', 'node', 'node/kubepods', 'node/kubepods/burstable', 'node/kubepods/burstable/podu'])
    fill(join(mount, step), 'cgroup.controllers', 'cgroup.subtree_control');
  const cgroups = new LinuxCgroups('/node', undefined, mount);
  const requesting = testPod({ containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] });
  mkdirSync(join(burstable, 'cpu.weight'));
  await assert.rejects(cgroups.apply(requesting), /cannot write/);
  rmSync(join(burstable, 'cpu.weight'), { recursive: true });
  await cgroups.apply(requesting);
  assert.equal(readFileSync(join(burstable, 'cpu.weight'), 'utf8'), '39');
});

test('pods together get the CPU, memory and processes that are not reserved', async () => {
  const mount = join(folder, 'reserved');
  for (const controller of ['cpu', 'memory', 'pids']) mkdirSync(join(mount, controller), { recursive: true });
  const cgroups = new LinuxCgroups('/node', undefined, mount);
  await cgroups.prepare({ milliCpu: 1850, memoryBytes: 1024 ** 3, pidsMax: 29_000 });
  const read = (name: string) => readFileSync(join(mount, name), 'utf8');
  assert.equal(read('cpu/node/kubepods/cpu.shares'), '1894');
  assert.equal(read('memory/node/kubepods/memory.limit_in_bytes'), String(1024 ** 3));
  assert.equal(read('pids/node/kubepods/pids.max'), '29000');
});

test('the groups of all pods, of classes, of a pod and of its members are found by their paths', async () => {
  const mount = join(folder, 'groups');
  for (const controller of ['cpu', 'cpuacct', 'memory', 'pids'])
    mkdirSync(join(mount, controller), { recursive: true });
  const cgroups = new LinuxCgroups('/node', undefined, mount);
  await cgroups.prepare({ milliCpu: 1000, memoryBytes: 1024 ** 3 });
  await cgroups.apply(pod);
  const write = (controller: string, group: string, name: string, value: string) => {
    fill(join(mount, controller, 'node/kubepods', group));
    writeFileSync(join(mount, controller, 'node/kubepods', group, name), value);
  };
  for (const [group, nanoseconds] of [
    ['', '5000'],
    ['podu', '3000'],
    ['podu/sandbox', '1000'],
  ]) {
    write('cpuacct', group!, 'cpuacct.usage', nanoseconds!);
    write('memory', group!, 'memory.usage_in_bytes', '4096');
    write('memory', group!, 'memory.stat', 'total_rss 1024\n');
  }
  const [all] = await cgroups.classGroups();
  const own = await cgroups.podGroup('u');
  const inner = await cgroups.podGroup('u', 'sandbox');
  assert.deepEqual(
    [all, own, inner].map((group) => [group?.path, group?.usage.cpuUsageNanoSeconds]),
    [
      ['/kubepods', 5000],
      ['/kubepods/podu', 3000],
      ['/kubepods/podu/sandbox', 1000],
    ],
  );
  assert.equal(all!.details.memoryLimitBytes, 1024 ** 3);
  assert.equal(await cgroups.podGroup('u', 'another'), undefined);
  assert.equal(await cgroups.podGroup('unknown'), undefined);
});
