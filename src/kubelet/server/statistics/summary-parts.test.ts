import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../base/clock.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import type { Kubelet } from '../../kubelet.ts';
import type { GroupDetails } from '../../machine.ts';
import { withDisk } from './disk-stats.ts';
import { FullSummary, withDetails } from './full-summary.ts';
import { type ContainerSample, type PodSample, type StatsCollector, withPressures } from './stats-summary.ts';
import type { VolumeStats } from './volume-stats.ts';

const time = '2026-01-01T00:00:00.000Z';
const container = (name: string): ContainerSample => ({
  name,
  startTime: time,
  cpu: { time },
  memory: { time, workingSetBytes: 1000 },
  rootfs: { time, usedBytes: 10, inodesUsed: 1 },
});
const pod: PodSample = {
  podRef: { name: 'p', namespace: 'ns', uid: 'u' },
  startTime: time,
  cpu: { time },
  memory: { time },
  containers: [container('a'), container('b')],
};
const disk = (capacityBytes: number) => ({
  time,
  capacityBytes,
  availableBytes: capacityBytes / 2,
  usedBytes: capacityBytes / 2,
  inodes: 100,
  inodesFree: 40,
  inodesUsed: 60,
});

test("a pod's disk usage is the sum of its containers' writes, their logs and its emptyDirs", () => {
  const { containers, 'ephemeral-storage': all } = withDisk(
    pod,
    { logs: new Map([['a', { bytes: 100, inodes: 2 }]]), emptyDirs: { bytes: 1000, inodes: 5 } },
    { fs: disk(8000), imageFs: disk(4000) },
  );
  assert.deepEqual(all, { ...disk(8000), usedBytes: 1120, inodesUsed: 9 });
  assert.deepEqual(containers[0]!.rootfs, { ...disk(4000), usedBytes: 10, inodesUsed: 1 });
  assert.deepEqual(containers[0]!.logs, { ...disk(8000), usedBytes: 100, inodesUsed: 2 });
  assert.deepEqual(containers[1]!.logs, { ...disk(8000), usedBytes: 0, inodesUsed: 0 });
});

test('the summary of a container with a memory limit has what is left of it, its page faults and swap', () => {
  const details = sparse<GroupDetails>({ pageFaults: 7, majorPageFaults: 1, swapBytes: 4096 });
  const { memory, swap } = withDetails(container('a'), details, 1500);
  assert.deepEqual(memory, {
    time,
    workingSetBytes: 1000,
    availableBytes: 500,
    pageFaults: 7,
    majorPageFaults: 1,
  });
  assert.deepEqual(swap, { time, swapUsageBytes: 4096 });
  assert.equal(withDetails(container('a'), details, undefined).memory.availableBytes, undefined);
  assert.equal(withDetails(container('a'), details, 900).memory.availableBytes, 0);
});

test('pressures stand beside the figures of what there was too little of', () => {
  const stall = { total: 1, avg10: 0, avg60: 0, avg300: 0 };
  const of = (total: number) => ({ some: { ...stall, total }, full: stall });
  const { cpu, memory, io } = withPressures({ cpu: of(1), memory: of(2), io: of(3) }, container('a'));
  assert.deepEqual([cpu.psi?.some.total, memory.psi?.some.total, io?.psi.some.total], [1, 2, 3]);
});

test('facts of the machine that could not be read once do not spoil the next summary', async () => {
  let reads = 0;
  const machine = {
    async facts() {
      if (reads++ === 0) throw new Error('too many open files');
      return { memoryBytes: 1e9 };
    },
    interfaceUsages: async () => [],
    diskActivities: async () => new Map(),
    cgroups: { podsUsage: async () => undefined },
  };
  const kubelet = sparse<Kubelet>({
    context: { clock: systemClock, machine, runtime: { imageFsInfo: async () => [] } },
  });
  const node = { nodeName: 'n', startTime: time, cpu: { time }, memory: { time } };
  const summary = new FullSummary(kubelet, {
    stats: sparse<StatsCollector>({ summary: async () => ({ node, pods: [] }) }),
    volumes: sparse<VolumeStats>({}),
  });
  await assert.rejects(summary.full(), /too many open files/);
  assert.equal((await summary.full()).node.nodeName, 'n');
  await summary.full();
  assert.equal(reads, 2);
});
