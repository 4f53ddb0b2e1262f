import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupDetails, MachineFacts } from '../../machine.ts';
import { cadvisorText } from './cadvisor-metrics.ts';
import { expose } from './exposition.ts';
import { volumeMetrics } from './volume-stats.ts';

const time = '2026-01-01T00:00:00.000Z';
const labels = {
  container: 'c',
  id: '/kubepods/podu/i',
  image: 'img',
  name: 'i',
  namespace: 'ns',
  pod: 'p',
};
const facts = { cpuCores: 4, memoryBytes: 8e9, bootId: 'b', machineId: 'm', systemUuid: 's' } as MachineFacts;
function pressure(waitedUs: number) {
  const stall = (total: number) => ({ total, avg10: 0, avg60: 0, avg300: 0 });
  return { some: stall(waitedUs), full: stall(0) };
}
const details: GroupDetails = {
  userSeconds: 1.5,
  systemSeconds: 0.5,
  periods: 100,
  throttledPeriods: 10,
  throttledSeconds: 0.25,
  cacheBytes: 4096,
  activeFileBytes: 1024,
  inactiveFileBytes: 3072,
  kernelBytes: 512,
  swapBytes: 0,
  mappedFileBytes: 0,
  pageFaults: 7,
  majorPageFaults: 1,
  maxUsageBytes: 9999,
  limitHits: 0,
  memoryReservationBytes: 2048,
  swapLimitBytes: 0,
  memoryLimitBytes: 0,
  oomKills: 3,
  cpuShares: 512,
  processes: 2,
  threads: 5,
  threadsMax: 64,
  openFiles: { descriptors: 9, sockets: 2, softMax: 1024 },
  devices: [{ device: '/dev/sda', number: '8:0', readBytes: 10, writtenBytes: 20, reads: 1, writes: 2 }],
  firstPid: 1,
  pressures: { cpu: pressure(2_500_000), memory: pressure(0), io: pressure(0) },
};

test("a container's figures stand under cAdvisor's names and labels, and only those that are known", () => {
  const subject = {
    labels,
    cpu: { time, usageCoreNanoSeconds: 2e9 },
    memory: { time, workingSetBytes: 1000 },
    details,
    cpuLimitCores: 0.5,
  };
  const lines = new Set(cadvisorText([subject], facts).split('\n'));
  const own = 'container="c",id="/kubepods/podu/i",image="img",name="i",namespace="ns",pod="p"';
  const stamp = Date.parse(time);
  for (const line of [
    '# TYPE container_cpu_usage_seconds_total counter',
    `container_cpu_usage_seconds_total{${own},cpu="total"} 2 ${stamp}`,
    `container_cpu_cfs_throttled_periods_total{${own}} 10 ${stamp}`,
    `container_memory_working_set_bytes{${own}} 1000 ${stamp}`,
    `container_memory_failures_total{${own},failure_type="pgmajfault",scope="hierarchy"} 1 ${stamp}`,
    `container_fs_writes_bytes_total{${own},device="/dev/sda"} 20 ${stamp}`,
    `container_blkio_device_usage_total{${own},device="/dev/sda",major="8",minor="0",operation="Write"} 20 ${stamp}`,
    `container_spec_memory_reservation_limit_bytes{${own}} 2048 ${stamp}`,
    `container_spec_memory_swap_limit_bytes{${own}} 0 ${stamp}`,
    `container_oom_events_total{${own}} 3 ${stamp}`,
    `container_threads{${own}} 5 ${stamp}`,
    `container_threads_max{${own}} 64 ${stamp}`,
    `container_file_descriptors{${own}} 9 ${stamp}`,
    `container_sockets{${own}} 2 ${stamp}`,
    `container_ulimits_soft{${own},ulimit="max_open_files"} 1024 ${stamp}`,
    `container_memory_total_inactive_file_bytes{${own}} 3072 ${stamp}`,
    `container_memory_kernel_usage{${own}} 512 ${stamp}`,
    `container_pressure_cpu_waiting_seconds_total{${own}} 2.5 ${stamp}`,
    `container_pressure_io_stalled_seconds_total{${own}} 0 ${stamp}`,
    `container_spec_cpu_shares{${own}} 512 ${stamp}`,
    `container_spec_cpu_quota{${own}} 50000 ${stamp}`,
    'machine_cpu_cores{boot_id="b",machine_id="m",system_uuid="s"} 4',
  ])
    assert.ok(lines.has(line), line);
  const unknown = ['container_memory_rss{', 'container_network_', 'container_start_time_seconds{'];
  for (const start of unknown) assert.ok(![...lines].some((line) => line.startsWith(start)), start);
});

test('the metrics of a node show how full the disks of its pods and images are, and how busy', () => {
  const filesystem = { availableBytes: 60, capacityBytes: 100, usedBytes: 40, inodes: 10, inodesFree: 3 };
  const activity = {
    reads: 1,
    readsMerged: 2,
    sectorsRead: 3,
    readSeconds: 4,
    writes: 5,
    writesMerged: 6,
    sectorsWritten: 7,
    writeSeconds: 8,
    underWay: 9,
    busySeconds: 10,
    weightedSeconds: 11,
  };
  const subject = {
    labels: { id: '/' },
    cpu: { time },
    memory: { time },
    filesystems: [{ ...filesystem, device: '/dev/sda1', activity }, filesystem],
  };
  const lines = new Set(cadvisorText([subject], { ...facts, physicalCores: 2, sockets: 1 }).split('\n'));
  const stamp = Date.parse(time);
  for (const [name, value] of [
    ['usage_bytes', 40],
    ['limit_bytes', 100],
    ['inodes_total', 10],
    ['inodes_free', 3],
    ['reads_total', 1],
    ['reads_bytes_total', 3 * 512],
    ['reads_merged_total', 2],
    ['sector_reads_total', 3],
    ['read_seconds_total', 4],
    ['writes_total', 5],
    ['writes_bytes_total', 7 * 512],
    ['writes_merged_total', 6],
    ['sector_writes_total', 7],
    ['write_seconds_total', 8],
    ['io_current', 9],
    ['io_time_seconds_total', 10],
    ['io_time_weighted_seconds_total', 11],
  ]) {
    const line = `container_fs_${name}{id="/",device="/dev/sda1"} ${value} ${stamp}`;
    assert.ok(lines.has(line), line);
  }
  assert.ok(lines.has('machine_cpu_physical_cores{boot_id="b",machine_id="m",system_uuid="s"} 2'));
});

test('the volume of a claim has metrics of how full it is; without claims there are none', () => {
  const figures = {
    availableBytes: 1,
    capacityBytes: 3,
    usedBytes: 2,
    inodes: 30,
    inodesFree: 10,
    inodesUsed: 20,
  };
  const text = volumeMetrics([{ name: 'v', time, ...figures, pvcRef: { name: 'data', namespace: 'ns' } }]);
  const claim = '{namespace="ns",persistentvolumeclaim="data"}';
  assert.ok(
    text.includes(
      `# TYPE kubelet_volume_stats_used_bytes gauge\nkubelet_volume_stats_used_bytes${claim} 2\n`,
    ),
  );
  assert.ok(text.includes(`kubelet_volume_stats_inodes_free${claim} 10\n`));
  assert.equal(volumeMetrics([]), '');
});

test('a label with odd characters is one that Prometheus reads', () => {
  const text = expose([
    {
      name: 'm',
      help: 'h',
      type: 'gauge',
      samples: [{ labels: { device: 'a\u0001"b\\c\nd\te' }, value: 1 }],
    },
  ]);
  assert.equal(text.split('\n')[2], 'm{device="a\u0001\\"b\\\\c\\nd\te"} 1');
});
