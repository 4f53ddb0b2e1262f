/** The detailed usage of a control group, for metrics. For cgroup v1 and v2. */
import { readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { BlockDeviceUse, GroupDetails } from '../../machine.ts';
import { cpuSharesOfWeight } from '../../resources/cgroup-resources.ts';
import { readNumber, readTable, readText } from '../kernel-files.ts';
import { openFilesOf } from '../process-files.ts';
import { groupPressures } from './pressure.ts';

/** The unit of v1's `cpuacct.stat`: 100 clock ticks per second for user space on every Linux machine. */
const ticksPerSecond = 100;

/** Undefined: the group does not exist. */
export function groupDetailsV1(mountPoint: string, path: string): GroupDetails | undefined {
  const folder = (controller: string) => join(mountPoint, controller, path);
  const memory = readTable(join(folder('memory'), 'memory.stat'));
  if (memory.size === 0) return undefined;
  const times = readTable(join(folder('cpuacct'), 'cpuacct.stat'));
  const cpu = readTable(join(folder('cpu'), 'cpu.stat'));
  const bytes = readText(join(folder('blkio'), 'blkio.throttle.io_service_bytes_recursive'));
  const operations = readText(join(folder('blkio'), 'blkio.throttle.io_serviced_recursive'));
  const oom = readTable(join(folder('memory'), 'memory.oom_control'));
  const members = processesIn(join(folder('memory'), 'cgroup.procs'));
  const of = (table: ReadonlyMap<string, number>, name: string) => table.get(name) ?? 0;
  return {
    userSeconds: of(times, 'user') / ticksPerSecond,
    systemSeconds: of(times, 'system') / ticksPerSecond,
    periods: of(cpu, 'nr_periods'),
    throttledPeriods: of(cpu, 'nr_throttled'),
    throttledSeconds: of(cpu, 'throttled_time') / 1e9,
    cacheBytes: of(memory, 'total_cache'),
    activeFileBytes: of(memory, 'total_active_file'),
    inactiveFileBytes: of(memory, 'total_inactive_file'),
    kernelBytes: readNumber(join(folder('memory'), 'memory.kmem.usage_in_bytes')) ?? 0,
    swapBytes: of(memory, 'total_swap'),
    mappedFileBytes: of(memory, 'total_mapped_file'),
    pageFaults: of(memory, 'total_pgfault'),
    majorPageFaults: of(memory, 'total_pgmajfault'),
    maxUsageBytes: readNumber(join(folder('memory'), 'memory.max_usage_in_bytes')) ?? 0,
    limitHits: readNumber(join(folder('memory'), 'memory.failcnt')) ?? 0,
    memoryReservationBytes: limitIn(join(folder('memory'), 'memory.soft_limit_in_bytes')),
    swapLimitBytes: limitIn(join(folder('memory'), 'memory.memsw.limit_in_bytes')),
    memoryLimitBytes: limitIn(join(folder('memory'), 'memory.limit_in_bytes')),
    oomKills: of(oom, 'oom_kill'),
    cpuShares: readNumber(join(folder('cpu'), 'cpu.shares')) ?? 0,
    processes: members.length,
    threads: readNumber(join(folder('pids'), 'pids.current')) ?? 0,
    threadsMax: threadsMaxIn(folder('pids')),
    openFiles: openFilesOf(members.filter((pid) => pid > 0)),
    devices: devicesV1(bytes, operations),
    firstPid: firstPidOf(members),
  };
}

/** Undefined: the group does not exist. */
export function groupDetailsV2(folder: string): GroupDetails | undefined {
  const cpu = readTable(join(folder, 'cpu.stat'));
  if (cpu.size === 0) return undefined;
  const memory = readTable(join(folder, 'memory.stat'));
  const events = readTable(join(folder, 'memory.events'));
  const members = processesIn(join(folder, 'cgroup.procs'));
  const pressures = groupPressures(folder);
  const of = (table: ReadonlyMap<string, number>, name: string) => table.get(name) ?? 0;
  return {
    userSeconds: of(cpu, 'user_usec') / 1e6,
    systemSeconds: of(cpu, 'system_usec') / 1e6,
    periods: of(cpu, 'nr_periods'),
    throttledPeriods: of(cpu, 'nr_throttled'),
    throttledSeconds: of(cpu, 'throttled_usec') / 1e6,
    cacheBytes: of(memory, 'file'),
    activeFileBytes: of(memory, 'active_file'),
    inactiveFileBytes: of(memory, 'inactive_file'),
    kernelBytes: of(memory, 'kernel'),
    swapBytes: readNumber(join(folder, 'memory.swap.current')) ?? 0,
    mappedFileBytes: of(memory, 'file_mapped'),
    pageFaults: of(memory, 'pgfault'),
    majorPageFaults: of(memory, 'pgmajfault'),
    maxUsageBytes: readNumber(join(folder, 'memory.peak')) ?? 0,
    limitHits: of(events, 'max'),
    memoryReservationBytes: limitIn(join(folder, 'memory.low')),
    swapLimitBytes: limitIn(join(folder, 'memory.swap.max')),
    memoryLimitBytes: limitIn(join(folder, 'memory.max')),
    oomKills: of(events, 'oom_kill'),
    cpuShares: cpuSharesOfWeight(readNumber(join(folder, 'cpu.weight')) ?? 0),
    processes: members.length,
    threads: readNumber(join(folder, 'pids.current')) ?? 0,
    threadsMax: threadsMaxIn(folder),
    openFiles: openFilesOf(members.filter((pid) => pid > 0)),
    devices: devicesV2(readText(join(folder, 'io.stat'))),
    firstPid: firstPidOf(members),
    ...(pressures && { pressures }),
  };
}

/** Lines like `8:0 Read 4096`. */
function devicesV1(bytes: string, operations: string): BlockDeviceUse[] {
  const devices = new Map<string, BlockDeviceUse>();
  const take = (text: string, read: keyof BlockDeviceUse, write: keyof BlockDeviceUse) => {
    for (const [, number, kind, amount] of text.matchAll(/^(\d+:\d+) (Read|Write) (\d+)$/gm)) {
      const device = devices.get(number!) ?? newDevice(number!);
      devices.set(number!, { ...device, [kind === 'Read' ? read : write]: Number(amount) });
    }
  };
  take(bytes, 'readBytes', 'writtenBytes');
  take(operations, 'reads', 'writes');
  return [...devices.values()];
}

/** Lines like `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`. */
function devicesV2(text: string): BlockDeviceUse[] {
  const devices: BlockDeviceUse[] = [];
  for (const line of text.split('\n').filter((each) => each.includes('='))) {
    const [number = '', ...pairs] = line.split(' ');
    const values = new Map(pairs.map((pair) => pair.split('=', 2) as [string, string]));
    const of = (name: string) => Number(values.get(name) ?? 0);
    devices.push({
      ...newDevice(number),
      readBytes: of('rbytes'),
      writtenBytes: of('wbytes'),
      reads: of('rios'),
      writes: of('wios'),
    });
  }
  return devices;
}

/** As v1 writes "no limit", which depends on the size of a page; v2 writes `max`. */
const unlimitedMinBytes = 2 ** 62;

const deviceNames = new Map<string, string>();

function newDevice(number: string): BlockDeviceUse {
  let device = deviceNames.get(number);
  if (device === undefined) {
    device = `/dev/${basename(linkOf(`/sys/dev/block/${number}`) ?? number)}`;
    deviceNames.set(number, device);
  }
  return { device, number, readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 };
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // A device without an entry is named by its number.
    return undefined;
  }
}

function threadsMaxIn(folder: string): number {
  const text = readText(join(folder, 'pids.max')).trim();
  return text === '' || text === 'max' ? 0 : Number(text);
}

/** 0: none. */
function limitIn(file: string): number {
  const bytes = Number(readText(file).trim());
  return Number.isNaN(bytes) || bytes >= unlimitedMinBytes ? 0 : bytes;
}

function processesIn(file: string): number[] {
  return readText(file)
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

/** 0 is a process of another namespace, about which nothing can be read. */
function firstPidOf(members: readonly number[]): number | undefined {
  return members.find((pid) => pid > 0);
}
