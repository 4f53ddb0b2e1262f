/** The Linux machine (or its namespaces) under a real node. */
import { readFile, stat } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { ifMissing } from '../../base/system/if-missing.ts';
import type { FilesystemUse, Machine, MachineFacts, MachineUsage } from '../machine.ts';
import { networkDialer } from '../probes/network-dialer.ts';
import { LinuxVolumes } from '../volumes/linux-volumes.ts';
import { LinuxCgroups } from './cgroups.ts';
import { readHugePages } from './huge-pages.ts';
import { LinuxPodFiles } from './pod-files.ts';
import { LinuxSandboxTraces } from './sandbox-traces.ts';
import { diskActivities } from './usage/disk-activity.ts';
import { filesystemUse, mountedDevice } from './usage/filesystem-use.ts';
import { interfaceUsages } from './usage/network-usage.ts';

export interface LinuxMachineOptions {
  /** The kubelet's own folder, /var/lib/kubelet upstream. */
  rootDir: string;
  /** Logs of pods, /var/log/pods upstream. */
  podLogsDir: string;
  /** Path of the node's cgroup, as in /proc/self/cgroup, e.g. `/wherry/c1/node-1`. */
  cgroupRoot: string;
  /** Where containerd keeps images and layers, for disk figures; the kubelet's folder when absent. */
  imageDir?: string;
  resolvConf?: string;
  /** How many processes a pod may have; no limit unless set. */
  podPidsMax?: number | undefined;
}

export function linuxMachine(options: LinuxMachineOptions): Machine {
  const { rootDir, podLogsDir, cgroupRoot, resolvConf = '/etc/resolv.conf' } = options;
  const cgroups = new LinuxCgroups(cgroupRoot, options.podPidsMax);
  return {
    rootDir,
    facts: () => readFacts(rootDir, cgroups),
    usage: () => readUsage(rootDir, options.imageDir ?? rootDir, cgroups),
    files: new LinuxPodFiles({ rootDir, podLogsDir, resolvConf }),
    cgroups,
    sandboxTraces: new LinuxSandboxTraces(),
    dialer: networkDialer,
    diskActivities: async () => diskActivities(),
    interfaceUsages: async (pid) => interfaceUsages(pid ?? 'self'),
    createVolumes: (inputs) => new LinuxVolumes(rootDir, inputs),
  };
}

async function readFacts(rootDir: string, cgroups: LinuxCgroups): Promise<MachineFacts> {
  const disk = await filesystemUse(rootDir);
  const [meminfo, hugepagesBytes, cpuinfo, ...texts] = await Promise.all([
    readMeminfo(),
    readHugePages(),
    readText('/proc/cpuinfo'),
    readText('/proc/sys/kernel/osrelease'),
    readText('/etc/os-release'),
    readText('/etc/machine-id'),
    readText('/sys/class/dmi/id/product_uuid'),
    readText('/proc/sys/kernel/random/boot_id'),
  ]);
  const [kernelVersion, release, machineId, systemUuid, bootId] = texts;
  return {
    cpuCores: cpus().length,
    memoryBytes: meminfo.get('MemTotal') ?? 0,
    ephemeralStorageBytes: disk?.capacityBytes ?? 0,
    hugepagesBytes,
    architecture: arch() === 'x64' ? 'amd64' : arch(),
    kernelVersion,
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? 'Linux',
    machineId,
    systemUuid: systemUuid || machineId,
    bootId,
    swapBytes: meminfo.get('SwapTotal') ?? 0,
    hasAppArmor: await hasAppArmor(),
    cgroupVersion: cgroups.version,
    pidsMax: await readPidsMax(),
    ...processorsOf(cpuinfo),
  };
}

/** The kernel limits process ids and threads: the smaller of the two counts. */
async function readPidsMax(): Promise<number> {
  const texts = await Promise.all(
    ['pid_max', 'threads-max'].map((name) => readText(`/proc/sys/kernel/${name}`)),
  );
  return Math.min(...texts.map(Number).filter((max) => max > 0));
}

/** As the runtime finds it out; profiles are loaded through the folder. */
async function hasAppArmor(): Promise<boolean> {
  const isMounted = await stat('/sys/kernel/security/apparmor').catch(ifMissing(undefined));
  return (
    isMounted !== undefined && (await readText('/sys/module/apparmor/parameters/enabled')).startsWith('Y')
  );
}

/** Cores and sockets; nothing where the processors do not report them, as on ARM. */
function processorsOf(cpuinfo: string): { physicalCores?: number; sockets?: number } {
  const cores = new Set<string>();
  const sockets = new Set<string>();
  for (const processor of cpuinfo.split('\n\n')) {
    const socket = /^physical id\s*: (\d+)/m.exec(processor)?.[1];
    const core = /^core id\s*: (\d+)/m.exec(processor)?.[1];
    if (socket === undefined || core === undefined) continue;
    sockets.add(socket);
    cores.add(`${socket} ${core}`);
  }
  return cores.size === 0 ? {} : { physicalCores: cores.size, sockets: sockets.size };
}

async function readUsage(rootDir: string, imageDir: string, cgroups: LinuxCgroups): Promise<MachineUsage> {
  const [meminfo, node, nodeFs, imageFs, pidsMax, loadavg] = await Promise.all([
    readMeminfo(),
    cgroups.nodeUsage(),
    diskOf(rootDir),
    diskOf(imageDir),
    readPidsMax(),
    readText('/proc/loadavg'),
  ]);
  const current = Number(/\/(\d+)/.exec(loadavg)?.[1] ?? 0);
  return {
    memoryAvailableBytes: meminfo.get('MemAvailable') ?? 0,
    ...(node && {
      memoryWorkingSetBytes: node.memoryWorkingSetBytes,
      memoryUsageBytes: node.memoryUsageBytes,
      memoryRssBytes: node.memoryRssBytes,
      cpuUsageCoreNanoSeconds: node.cpuUsageNanoSeconds,
      pageFaults: node.pageFaults,
      majorPageFaults: node.majorPageFaults,
      ...(node.pressures && { pressures: node.pressures }),
    }),
    swap: swapUse(meminfo),
    ...(nodeFs && { nodeFs }),
    ...(imageFs && { imageFs, imageFsIsApart: imageFs.number !== nodeFs?.number }),
    pids: { max: pidsMax, current },
  };
}

/** `number`: the device number as the kernel has it. Undefined: nothing is mounted. */
async function diskOf(path: string): Promise<(FilesystemUse & { number: number }) | undefined> {
  const [use, stats] = await Promise.all([filesystemUse(path), stat(path).catch(ifMissing(undefined))]);
  if (!use || !stats) return undefined;
  return { ...use, number: stats.dev, ...(await deviceOf(stats.dev)) };
}

const devices = new Map<number, string>();

/** The mount with that device number. */
async function deviceOf(number: number): Promise<{ device?: string }> {
  let device = devices.get(number);
  if (device === undefined) {
    device = mountedDevice(await readText('/proc/self/mountinfo'), number);
    if (device === undefined) return {};
    devices.set(number, device);
  }
  return { device };
}

function swapUse(meminfo: ReadonlyMap<string, number>) {
  const availableBytes = meminfo.get('SwapFree') ?? 0;
  return { availableBytes, usedBytes: (meminfo.get('SwapTotal') ?? 0) - availableBytes };
}

/** Amounts in bytes; counts as they are. */
async function readMeminfo(): Promise<Map<string, number>> {
  const text = await readText('/proc/meminfo');
  const amounts = new Map<string, number>();
  for (const [, name, value, unit] of text.matchAll(/^(\w+):\s+(\d+)( kB)?$/gm))
    amounts.set(name!, Number(value) * (unit ? 1024 : 1));
  return amounts;
}

/** Trimmed; empty when there is no such file. */
async function readText(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(ifMissing(''))).trim();
}
