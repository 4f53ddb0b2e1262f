/**
 * The families of `/metrics/cadvisor` about containers, pods and the node: names, help and where each value comes from.
 */
import type { InterfaceUsage } from '../../linux/usage/network-usage.ts';
import type { DiskActivity, FilesystemUse, GroupDetails, Pressures, Stall } from '../../machine.ts';
import type { Summary } from './stats-summary.ts';

/** One container, one pod, or the node, with the labels of its figures. */
export interface Subject {
  labels: Record<string, string>;
  cpu: Summary['node']['cpu'];
  memory: Summary['node']['memory'];
  details?: GroupDetails;
  startSeconds?: number;
  memoryLimitBytes?: number;
  cpuLimitCores?: number;
  filesystemBytes?: number;
  /** For the node: the file systems of its pods and images. */
  filesystems?: readonly (FilesystemUse & { activity?: DiskActivity })[];
  interfaces?: readonly InterfaceUsage[];
}

type Values = (subject: Subject) => Iterable<[value: number | undefined, labels?: Record<string, string>]>;

const cpuPeriodUs = 100_000;
const bytesOf = (name: keyof Summary['node']['memory']): Values =>
  function* ({ memory }) {
    yield [memory[name] as number | undefined];
  };
const detail = (read: (details: GroupDetails) => number): Values =>
  function* ({ details }) {
    yield [details && read(details)];
  };
type DeviceFigure = 'reads' | 'writes' | 'readBytes' | 'writtenBytes';
/** Of a container by what its group did, of the node by what its disks did. */
const perDevice = (name: DeviceFigure, ofNode: (activity: DiskActivity) => number): Values =>
  function* (subject) {
    for (const each of subject.details?.devices ?? []) yield [each[name], { device: each.device }];
    yield* perDisk(ofNode)(subject);
  };
const perDisk = (read: (activity: DiskActivity) => number): Values =>
  function* ({ filesystems = [] }) {
    for (const { activity, device = '' } of filesystems) if (activity) yield [read(activity), { device }];
  };
const sectorBytes = 512;
const perFilesystem = (name: 'capacityBytes' | 'inodes' | 'inodesFree'): Values =>
  function* ({ filesystems = [] }) {
    for (const each of filesystems) yield [each[name], { device: each.device ?? '' }];
  };
const perInterface = (name: Exclude<keyof InterfaceUsage, 'name'>): Values =>
  function* ({ interfaces }) {
    for (const each of interfaces ?? []) yield [each[name], { interface: each.name }];
  };

const pressure = (read: (pressures: Pressures) => Stall): Values =>
  function* ({ details }) {
    yield [details?.pressures && read(details.pressures).total / 1e6];
  };
const waitsFor = { cpu: 'CPU congestion', memory: 'memory congestion', io: 'IO congestion' };

type FamilyRow = readonly [name: string, type: 'counter' | 'gauge', help: string, values: Values];

/** A row for each family. */
export const containerFamilies: readonly FamilyRow[] = [
  [
    'container_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed in seconds.',
    function* ({ cpu }) {
      const { usageCoreNanoSeconds: used } = cpu;
      yield [used === undefined ? undefined : used / 1e9, { cpu: 'total' }];
    },
  ],
  [
    'container_cpu_user_seconds_total',
    'counter',
    'Cumulative user cpu time consumed in seconds.',
    detail(({ userSeconds }) => userSeconds),
  ],
  [
    'container_cpu_system_seconds_total',
    'counter',
    'Cumulative system cpu time consumed in seconds.',
    detail(({ systemSeconds }) => systemSeconds),
  ],
  [
    'container_cpu_cfs_periods_total',
    'counter',
    'Number of elapsed enforcement period intervals.',
    detail(({ periods }) => periods),
  ],
  [
    'container_cpu_cfs_throttled_periods_total',
    'counter',
    'Number of throttled period intervals.',
    detail(({ throttledPeriods }) => throttledPeriods),
  ],
  [
    'container_cpu_cfs_throttled_seconds_total',
    'counter',
    'Total time duration the container has been throttled.',
    detail(({ throttledSeconds }) => throttledSeconds),
  ],
  [
    'container_memory_usage_bytes',
    'gauge',
    'Current memory usage in bytes, including all memory regardless of when it was accessed',
    bytesOf('usageBytes'),
  ],
  [
    'container_memory_working_set_bytes',
    'gauge',
    'Current working set in bytes.',
    bytesOf('workingSetBytes'),
  ],
  ['container_memory_rss', 'gauge', 'Size of RSS in bytes.', bytesOf('rssBytes')],
  [
    'container_memory_cache',
    'gauge',
    'Number of bytes of page cache memory.',
    detail(({ cacheBytes }) => cacheBytes),
  ],
  [
    'container_memory_total_active_file_bytes',
    'gauge',
    'Page cache that was used lately, in bytes.',
    detail(({ activeFileBytes }) => activeFileBytes),
  ],
  [
    'container_memory_total_inactive_file_bytes',
    'gauge',
    'Page cache that was not used lately, in bytes.',
    detail(({ inactiveFileBytes }) => inactiveFileBytes),
  ],
  [
    'container_memory_kernel_usage',
    'gauge',
    'Memory that the kernel holds for the container, in bytes.',
    detail(({ kernelBytes }) => kernelBytes),
  ],
  ['container_memory_swap', 'gauge', 'Container swap usage in bytes.', detail(({ swapBytes }) => swapBytes)],
  [
    'container_memory_mapped_file',
    'gauge',
    'Size of memory mapped files in bytes.',
    detail(({ mappedFileBytes }) => mappedFileBytes),
  ],
  [
    'container_memory_max_usage_bytes',
    'gauge',
    'Maximum memory usage recorded in bytes',
    detail(({ maxUsageBytes }) => maxUsageBytes),
  ],
  [
    'container_memory_failcnt',
    'counter',
    'Number of memory usage hits limits',
    detail(({ limitHits }) => limitHits),
  ],
  [
    'container_memory_failures_total',
    'counter',
    'Cumulative count of memory allocation failures.',
    function* ({ details }) {
      if (!details) return;
      yield [details.pageFaults, { failure_type: 'pgfault', scope: 'hierarchy' }];
      yield [details.majorPageFaults, { failure_type: 'pgmajfault', scope: 'hierarchy' }];
    },
  ],
  [
    'container_fs_reads_total',
    'counter',
    'Cumulative count of reads completed',
    perDevice('reads', ({ reads }) => reads),
  ],
  [
    'container_fs_writes_total',
    'counter',
    'Cumulative count of writes completed',
    perDevice('writes', ({ writes }) => writes),
  ],
  [
    'container_fs_reads_bytes_total',
    'counter',
    'Cumulative count of bytes read',
    perDevice('readBytes', ({ sectorsRead }) => sectorsRead * sectorBytes),
  ],
  [
    'container_fs_writes_bytes_total',
    'counter',
    'Cumulative count of bytes written',
    perDevice('writtenBytes', ({ sectorsWritten }) => sectorsWritten * sectorBytes),
  ],
  [
    'container_fs_reads_merged_total',
    'counter',
    'Cumulative count of reads merged',
    perDisk(({ readsMerged }) => readsMerged),
  ],
  [
    'container_fs_writes_merged_total',
    'counter',
    'Cumulative count of writes merged',
    perDisk(({ writesMerged }) => writesMerged),
  ],
  [
    'container_fs_sector_reads_total',
    'counter',
    'Cumulative count of sector reads completed',
    perDisk(({ sectorsRead }) => sectorsRead),
  ],
  [
    'container_fs_sector_writes_total',
    'counter',
    'Cumulative count of sector writes completed',
    perDisk(({ sectorsWritten }) => sectorsWritten),
  ],
  [
    'container_fs_read_seconds_total',
    'counter',
    'Cumulative count of seconds spent reading',
    perDisk(({ readSeconds }) => readSeconds),
  ],
  [
    'container_fs_write_seconds_total',
    'counter',
    'Cumulative count of seconds spent writing',
    perDisk(({ writeSeconds }) => writeSeconds),
  ],
  [
    'container_fs_io_current',
    'gauge',
    'Number of I/Os currently in progress',
    perDisk(({ underWay }) => underWay),
  ],
  [
    'container_fs_io_time_seconds_total',
    'counter',
    'Cumulative count of seconds spent doing I/Os',
    perDisk(({ busySeconds }) => busySeconds),
  ],
  [
    'container_fs_io_time_weighted_seconds_total',
    'counter',
    'Cumulative weighted I/O time in seconds',
    perDisk(({ weightedSeconds }) => weightedSeconds),
  ],
  [
    'container_blkio_device_usage_total',
    'counter',
    'What the container moved to and from block devices, in bytes.',
    function* ({ details }) {
      for (const { device, number, readBytes, writtenBytes } of details?.devices ?? []) {
        const [major = '', minor = ''] = number.split(':');
        yield [readBytes, { device, major, minor, operation: 'Read' }];
        yield [writtenBytes, { device, major, minor, operation: 'Write' }];
      }
    },
  ],
  [
    'container_fs_usage_bytes',
    'gauge',
    'Number of bytes that are consumed by the container on this filesystem.',
    function* ({ filesystemBytes, filesystems = [] }) {
      yield [filesystemBytes, { device: '' }];
      for (const { usedBytes, device = '' } of filesystems) yield [usedBytes, { device }];
    },
  ],
  [
    'container_fs_limit_bytes',
    'gauge',
    'How large the file system is, in bytes.',
    perFilesystem('capacityBytes'),
  ],
  ['container_fs_inodes_total', 'gauge', 'How many inodes the file system has.', perFilesystem('inodes')],
  [
    'container_fs_inodes_free',
    'gauge',
    'How many inodes of the file system are free.',
    perFilesystem('inodesFree'),
  ],
  [
    'container_network_receive_bytes_total',
    'counter',
    'Cumulative count of bytes received',
    perInterface('rxBytes'),
  ],
  [
    'container_network_receive_packets_total',
    'counter',
    'Cumulative count of packets received',
    perInterface('rxPackets'),
  ],
  [
    'container_network_receive_packets_dropped_total',
    'counter',
    'Cumulative count of packets dropped while receiving',
    perInterface('rxDropped'),
  ],
  [
    'container_network_receive_errors_total',
    'counter',
    'Cumulative count of errors encountered while receiving',
    perInterface('rxErrors'),
  ],
  [
    'container_network_transmit_bytes_total',
    'counter',
    'Cumulative count of bytes transmitted',
    perInterface('txBytes'),
  ],
  [
    'container_network_transmit_packets_total',
    'counter',
    'Cumulative count of packets transmitted',
    perInterface('txPackets'),
  ],
  [
    'container_network_transmit_packets_dropped_total',
    'counter',
    'Cumulative count of packets dropped while transmitting',
    perInterface('txDropped'),
  ],
  [
    'container_network_transmit_errors_total',
    'counter',
    'Cumulative count of errors encountered while transmitting',
    perInterface('txErrors'),
  ],
  [
    'container_processes',
    'gauge',
    'Number of processes running inside the container.',
    detail(({ processes }) => processes),
  ],
  ['container_threads', 'gauge', 'Number of threads in the container.', detail(({ threads }) => threads)],
  [
    'container_threads_max',
    'gauge',
    'How many threads the container may have; 0 for no limit.',
    detail(({ threadsMax }) => threadsMax),
  ],
  [
    'container_file_descriptors',
    'gauge',
    'How many files the processes of the container have open.',
    detail(({ openFiles }) => openFiles.descriptors),
  ],
  [
    'container_sockets',
    'gauge',
    'How many sockets the processes of the container have open.',
    detail(({ openFiles }) => openFiles.sockets),
  ],
  [
    'container_ulimits_soft',
    'gauge',
    "Soft limits of the container's first process; -1 for none.",
    function* ({ details }) {
      yield [details?.openFiles.softMax, { ulimit: 'max_open_files' }];
    },
  ],
  [
    'container_oom_events_total',
    'counter',
    'How often the kernel ended a process of the container for want of memory.',
    detail(({ oomKills }) => oomKills),
  ],
  [
    'container_spec_cpu_shares',
    'gauge',
    'Weight of the container for processor time.',
    detail(({ cpuShares }) => cpuShares),
  ],
  ...(['cpu', 'memory', 'io'] as const).flatMap((resource): FamilyRow[] => [
    [
      `container_pressure_${resource}_waiting_seconds_total`,
      'counter',
      `Total time duration tasks in the container have waited due to ${waitsFor[resource]}.`,
      pressure((pressures) => pressures[resource].some),
    ],
    [
      `container_pressure_${resource}_stalled_seconds_total`,
      'counter',
      `Total time duration no tasks in the container could make progress due to ${waitsFor[resource]}.`,
      pressure((pressures) => pressures[resource].full),
    ],
  ]),
  [
    'container_start_time_seconds',
    'gauge',
    'Start time of the container since unix epoch in seconds.',
    function* ({ startSeconds }) {
      yield [startSeconds];
    },
  ],
  [
    'container_last_seen',
    'gauge',
    'Last time a container was seen by the exporter',
    function* ({ cpu }) {
      yield [Math.floor(Date.parse(cpu.time) / 1000)];
    },
  ],
  [
    'container_spec_memory_limit_bytes',
    'gauge',
    'Memory limit for the container.',
    function* ({ memoryLimitBytes }) {
      yield [memoryLimitBytes];
    },
  ],
  [
    'container_spec_memory_reservation_limit_bytes',
    'gauge',
    'Memory reservation limit for the container.',
    detail(({ memoryReservationBytes }) => memoryReservationBytes),
  ],
  [
    'container_spec_memory_swap_limit_bytes',
    'gauge',
    'Memory swap limit for the container.',
    detail(({ swapLimitBytes }) => swapLimitBytes),
  ],
  [
    'container_spec_cpu_period',
    'gauge',
    'CPU period of the container.',
    function* ({ cpuLimitCores }) {
      yield [cpuLimitCores === undefined ? undefined : cpuPeriodUs];
    },
  ],
  [
    'container_spec_cpu_quota',
    'gauge',
    'CPU quota of the container.',
    function* ({ cpuLimitCores }) {
      yield [cpuLimitCores === undefined ? undefined : Math.round(cpuLimitCores * cpuPeriodUs)];
    },
  ],
];
