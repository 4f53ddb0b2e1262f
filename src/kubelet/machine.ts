/**
 * What the kubelet needs of the machine under a node: facts, files, control groups, volumes and a way to reach pods.
 * The real one is src/kubelet/linux/machine.ts; the simulated one (simulated-machine.ts) touches nothing.
 */
import type { Pod } from '../api/resources.gen.ts';
import type * as core from '../api/types/core-v1.gen.ts';
import type { ContainerStatus } from './cri/messages.ts';
import type { InterfaceUsage } from './linux/usage/network-usage.ts';
import type { ProbeDialer } from './probes/dialer.ts';
import type { ResolverConfig } from './spec/dns-config.ts';
import type { PodVolumes, VolumeInputs } from './volumes/pod-volumes.ts';

export interface MachineFacts {
  cpuCores: number;
  memoryBytes: number;
  ephemeralStorageBytes: number;
  /** By page size as in resource names, e.g. `2Mi`. */
  hugepagesBytes: Record<string, number>;
  architecture: string;
  kernelVersion: string;
  osImage: string;
  machineId: string;
  systemUuid: string;
  bootId: string;
  swapBytes: number;
  /** Its kernel confines processes by AppArmor's profiles. */
  hasAppArmor: boolean;
  /** Absent where there are no control groups. */
  cgroupVersion?: 1 | 2;
  /** How many processes and threads its kernel allows; absent where that is unknown. */
  pidsMax?: number;
  /** Absent where the processors do not report it. */
  physicalCores?: number;
  sockets?: number;
}

/** The machine's present usage; undefined where it is unknown. */
export interface MachineUsage {
  memoryAvailableBytes?: number;
  memoryWorkingSetBytes?: number;
  memoryRssBytes?: number;
  memoryUsageBytes?: number;
  cpuUsageCoreNanoSeconds?: number;
  nodeFs?: FilesystemUse;
  imageFs?: FilesystemUse;
  /** Images and writable layers are on another file system than the kubelet's folder. */
  imageFsIsApart?: boolean;
  pids?: { max: number; current: number };
  swap?: { availableBytes: number; usedBytes: number };
  pageFaults?: number;
  majorPageFaults?: number;
  pressures?: Pressures;
}

export interface FilesystemUse {
  capacityBytes: number;
  availableBytes: number;
  usedBytes: number;
  inodes: number;
  inodesFree: number;
  /**
   * `/dev/sda1`; for a file system in memory, the source that it was mounted with. Absent where it was not asked for.
   */
  device?: string;
}

/** Since the machine started. */
export interface DiskActivity {
  reads: number;
  /** Adjacent ones that were done as one. */
  readsMerged: number;
  /** Of 512 bytes, whatever the disk's own are. */
  sectorsRead: number;
  readSeconds: number;
  writes: number;
  writesMerged: number;
  sectorsWritten: number;
  writeSeconds: number;
  /** At this moment. */
  underWay: number;
  busySeconds: number;
  /** Each second counts once for everything that was under way in it. */
  weightedSeconds: number;
}

/** How long some of the work, or all of it, was stalled: the total in microseconds, and recent averages in percent. */
export interface Stall {
  total: number;
  avg10: number;
  avg60: number;
  avg300: number;
}

export interface Pressure {
  some: Stall;
  full: Stall;
}

export type Pressures = Record<'cpu' | 'memory' | 'io', Pressure>;

/** A group's own figures. */
export interface CgroupUsage {
  cpuUsageNanoSeconds: number;
  memoryWorkingSetBytes: number;
  memoryUsageBytes: number;
  memoryRssBytes: number;
  swapBytes: number;
  pageFaults: number;
  majorPageFaults: number;
  pids: number;
  /** Absent with cgroup v1, and where the kernel does not measure it. */
  pressures?: Pressures;
}

export interface BlockDeviceUse {
  /** `/dev/sda` */
  device: string;
  /** `8:0` */
  number: string;
  readBytes: number;
  writtenBytes: number;
  reads: number;
  writes: number;
}

export interface OpenFiles {
  descriptors: number;
  sockets: number;
  /** The soft limit of its first process; -1: none. */
  softMax?: number;
}

/** More figures of a group, used for metrics only. */
export interface GroupDetails {
  userSeconds: number;
  systemSeconds: number;
  /** Scheduling periods in which the group was active, and those in which it used up its quota. */
  periods: number;
  throttledPeriods: number;
  throttledSeconds: number;
  cacheBytes: number;
  activeFileBytes: number;
  inactiveFileBytes: number;
  kernelBytes: number;
  swapBytes: number;
  mappedFileBytes: number;
  pageFaults: number;
  majorPageFaults: number;
  maxUsageBytes: number;
  /** How often it reached its memory limit. */
  limitHits: number;
  /** Memory that it keeps when others are short of it; 0: none. */
  memoryReservationBytes: number;
  /** 0: no limit. */
  swapLimitBytes: number;
  /** 0: no limit. */
  memoryLimitBytes: number;
  /** Its processes that the kernel killed for lack of memory. */
  oomKills: number;
  /** Its weight for CPU time; 1,024 stands for a whole CPU. */
  cpuShares: number;
  /** Its tasks, including threads. */
  threads: number;
  /** 0: no limit. */
  threadsMax: number;
  processes: number;
  openFiles: OpenFiles;
  devices: BlockDeviceUse[];
  /** Absent for a group without processes. */
  firstPid: number | undefined;
  /** As {@link CgroupUsage.pressures}. */
  pressures?: Pressures;
}

/** What all pods of a node together may use. */
export interface PodsShare {
  milliCpu: number;
  memoryBytes: number;
  /** Processes and threads; absent: as many as the kernel allows. */
  pidsMax?: number;
}

export interface NamedGroup {
  /** Below the node's root. */
  path: string;
  usage: CgroupUsage;
  details: GroupDetails;
}

export interface PodCgroups {
  /** Creates the groups of the three classes below the node's root. */
  prepare(share: PodsShare): Promise<void>;
  /**
   * Creates the pod's group or updates its limits; returns the parent for its containers. `before`: the pod as it was,
   * while its containers change: the wider limits of both apply.
   */
  apply(pod: Pod, before?: Pod): Promise<string | undefined>;
  /** Kills what still runs in it, and removes it. */
  remove(podUid: string): Promise<void>;
  /** Uids of pods that have a group. */
  list(): Promise<string[]>;
  podUsage(podUid: string): Promise<CgroupUsage | undefined>;
  /** For all pods together. */
  podsUsage(): Promise<CgroupUsage | undefined>;
  /** A pod's group, or that of a sandbox or container in it. */
  podGroup(podUid: string, memberId?: string): Promise<NamedGroup | undefined>;
  /** The group of all pods, and those of the classes that have one. */
  classGroups(): Promise<NamedGroup[]>;
  /** For one container, with the group's path below the node's root. */
  containerDetails(
    podUid: string,
    containerId: string,
  ): Promise<{ path: string; details: GroupDetails } | undefined>;
}

export interface ContainerFiles {
  /** Present when the container can write a termination message. */
  terminationLog?: string;
}

export interface PodFiles {
  /** The folder of the logs of all pods. */
  readonly podLogsDir: string;
  preparePod(pod: Pod): Promise<void>;
  /** The hosts file to mount; undefined: none. */
  writeHosts(pod: Pod, text: string): Promise<string | undefined>;
  /** `attemptId`: different for every created container. */
  prepareContainer(pod: Pod, container: core.Container, attemptId: string): Promise<ContainerFiles>;
  /** The message of an ended container; undefined: it left none. */
  terminationMessage(status: ContainerStatus): Promise<string | undefined>;
  hostResolver(): Promise<ResolverConfig>;
  hostHosts(): Promise<string>;
  /** Everything that the pod has on disk except volumes, including its logs. */
  removePod(uid: string): Promise<void>;
  /** Folders with what running containers have written to their root file systems, by container id. */
  writableLayers(): Promise<ReadonlyMap<string, string>>;
  /** Uids of pods that have files here. */
  listPods(): Promise<string[]>;
  /** Of a container that is removed while its pod goes on. */
  removeContainerLog(logPath: string): Promise<void>;
}

/** Something left by a sandbox or container. */
export interface SandboxTrace {
  kind: 'process' | 'folder' | 'file' | 'namespace';
  /** Of the sandbox or container; empty where unknown. */
  id: string;
  /** Its path, or the process's id. */
  at: string;
}

export interface SandboxTraces {
  /** Everything that does not belong to these ids, in an order in which it can be removed. */
  unknown(known: ReadonlySet<string>): Promise<SandboxTrace[]>;
  remove(trace: SandboxTrace): Promise<void>;
}

export interface Machine {
  /** The kubelet's folder; absent where nothing is stored, and then there is nothing to clean up either. */
  readonly rootDir?: string;
  facts(): Promise<MachineFacts>;
  usage(): Promise<MachineUsage>;
  readonly files: PodFiles;
  readonly cgroups: PodCgroups;
  /** Absent when the runtime leaves nothing behind. */
  readonly sandboxTraces?: SandboxTraces;
  readonly dialer: ProbeDialer;
  /** Traffic in the network namespace of a process, or of the node itself. */
  interfaceUsages(pid?: number): Promise<InterfaceUsage[]>;
  /** By device, as it is mounted. */
  diskActivities(): Promise<ReadonlyMap<string, DiskActivity>>;
  createVolumes(inputs: VolumeInputs): PodVolumes;
}
