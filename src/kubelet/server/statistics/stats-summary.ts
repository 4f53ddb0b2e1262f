/** Statistics of containers, pods and node, in the forms that upstream serves. */
import type { Pod } from '../../../api/resources.gen.ts';
import type { ContainerStats } from '../../cri/messages.ts';
import type { Kubelet } from '../../kubelet.ts';
import type { FilesystemUse, Pressure, Pressures } from '../../machine.ts';
import { labels } from '../../pod/pod-observation.ts';
import type { NetworkStats } from './traffic-stats.ts';
import type { VolumeSample } from './volume-stats.ts';

interface CpuStats {
  time: string;
  usageNanoCores?: number;
  usageCoreNanoSeconds?: number;
  psi?: Pressure;
}
interface MemoryStats {
  time: string;
  availableBytes?: number;
  usageBytes?: number;
  workingSetBytes?: number;
  rssBytes?: number;
  pageFaults?: number;
  majorPageFaults?: number;
  psi?: Pressure;
}
interface IoStats {
  time: string;
  psi: Pressure;
}
interface SwapStats {
  time: string;
  swapAvailableBytes?: number;
  swapUsageBytes: number;
}

export interface FsStats {
  time: string;
  availableBytes?: number;
  capacityBytes?: number;
  usedBytes?: number;
  inodes?: number;
  inodesFree?: number;
  inodesUsed?: number;
}

/** A container, a pod, the node, or a part of it, as far as its cgroup shows. */
export interface GroupSample {
  cpu: CpuStats;
  memory: MemoryStats;
  io?: IoStats;
  swap?: SwapStats;
}

export interface ContainerSample extends GroupSample {
  name: string;
  startTime: string;
  rootfs?: FsStats;
  logs?: FsStats;
}

export interface PodSample extends GroupSample {
  podRef: { name: string; namespace: string; uid: string };
  startTime: string;
  containers: ContainerSample[];
  'ephemeral-storage'?: FsStats;
  network?: NetworkStats;
  volume?: VolumeSample[];
  process_stats?: { process_count: number };
}

export interface Summary {
  node: GroupSample & {
    nodeName: string;
    startTime: string;
    systemContainers?: (GroupSample & { name: string; startTime: string })[];
    fs?: FsStats;
    runtime?: { imageFs?: FsStats; containerFs?: FsStats };
    network?: NetworkStats;
    rlimit?: { time: string; maxpid: number; curproc: number };
  };
  pods: PodSample[];
}

/** A rate needs two samples; without a recent one, it waits for a second. */
export class StatsCollector {
  readonly #kubelet: Kubelet;
  readonly #startMs: number;
  /** Last CPU reading by id; `atMs` by the monotonic clock. */
  readonly #readings = new Map<string, { atMs: number; nanoSeconds: number; nanoCores: number }>();

  constructor(kubelet: Kubelet) {
    this.#kubelet = kubelet;
    this.#startMs = kubelet.context.clock.now();
  }

  async summary(): Promise<Summary> {
    const { context, pods } = this.#kubelet;
    const nowMs = context.clock.now();
    const [usage, stats] = await Promise.all([context.machine.usage(), context.runtime.listContainerStats()]);
    const time = new Date(nowMs).toISOString();
    const byPod = new Map<string, ContainerStats[]>();
    for (const entry of stats) {
      const uid = entry.attributes.labels[labels.podUid];
      if (uid) byPod.set(uid, [...(byPod.get(uid) ?? []), entry]);
    }
    const samples: PodSample[] = [];
    for (const worker of pods.workers()) {
      if (!worker.observed.containers.some(({ state }) => state === 'running')) continue;
      samples.push(await this.#podSample(worker.pod, byPod.get(worker.uid) ?? [], nowMs));
    }
    this.#forgetOld();
    return {
      node: withPressures(usage.pressures, {
        nodeName: context.node().nodeName,
        startTime: new Date(this.#startMs).toISOString(),
        cpu: this.#cpu('node', usage.cpuUsageCoreNanoSeconds, nowMs),
        memory: {
          time,
          ...optional('availableBytes', usage.memoryAvailableBytes),
          ...optional('usageBytes', usage.memoryUsageBytes),
          ...optional('workingSetBytes', usage.memoryWorkingSetBytes),
          ...optional('rssBytes', usage.memoryRssBytes),
          ...optional('pageFaults', usage.pageFaults),
          ...optional('majorPageFaults', usage.majorPageFaults),
        },
        ...(usage.swap && {
          swap: {
            time,
            swapAvailableBytes: usage.swap.availableBytes,
            swapUsageBytes: usage.swap.usedBytes,
          },
        }),
        ...(usage.nodeFs && { fs: fsStats(usage.nodeFs, time) }),
        ...(usage.imageFs && { runtime: { imageFs: fsStats(usage.imageFs, time) } }),
        ...(usage.pids && { rlimit: { time, maxpid: usage.pids.max, curproc: usage.pids.current } }),
      }),
      pods: samples,
    };
  }

  async #podSample(pod: Pod, stats: readonly ContainerStats[], nowMs: number): Promise<PodSample> {
    const { uid, name, namespace = '' } = pod.metadata;
    const time = new Date(nowMs).toISOString();
    const observed = this.#kubelet.pods.find(uid)?.observed.containers ?? [];
    const group = await this.#kubelet.context.machine.cgroups.podUsage(uid);
    const containers = stats.flatMap((entry) => {
      const running = observed.find(({ id, state }) => id === entry.attributes.id && state === 'running');
      return running ? [this.#containerSample(entry, running.startedAtMs, nowMs)] : [];
    });
    const usage = containers.map(({ memory }) => memory);
    return withPressures(group?.pressures, {
      podRef: { name, namespace, uid },
      startTime: pod.status?.startTime ?? time,
      containers,
      cpu: this.#cpu(`pod/${uid}`, group?.cpuUsageNanoSeconds, nowMs),
      memory: {
        time,
        usageBytes: group?.memoryUsageBytes ?? sum(usage.map(({ usageBytes }) => usageBytes)),
        workingSetBytes:
          group?.memoryWorkingSetBytes ?? sum(usage.map(({ workingSetBytes }) => workingSetBytes)),
        rssBytes: group?.memoryRssBytes ?? 0,
        ...optional('pageFaults', group?.pageFaults),
        ...optional('majorPageFaults', group?.majorPageFaults),
      },
      ...(group && {
        swap: { time, swapUsageBytes: group.swapBytes },
        process_stats: { process_count: group.pids },
      }),
    });
  }

  #containerSample(
    { attributes, cpu, memory, writableLayer }: ContainerStats,
    startedAtMs: number,
    nowMs: number,
  ): ContainerSample {
    const time = new Date(nowMs).toISOString();
    return {
      name: attributes.labels[labels.containerName] ?? attributes.metadata.name,
      startTime: new Date(startedAtMs).toISOString(),
      cpu: this.#cpu(attributes.id, cpu?.usageCoreNanoSeconds?.value, nowMs),
      memory: {
        time,
        ...optional('workingSetBytes', memory?.workingSetBytes?.value),
        ...optional('usageBytes', memory?.usageBytes?.value ?? memory?.workingSetBytes?.value),
        ...optional('rssBytes', memory?.rssBytes?.value),
      },
      ...(writableLayer && {
        rootfs: {
          time,
          ...optional('usedBytes', writableLayer.usedBytes?.value),
          ...optional('inodesUsed', writableLayer.inodesUsed?.value),
        },
      }),
    };
  }

  #cpu(id: string, nanoSeconds: number | undefined, nowMs: number): CpuStats {
    const time = new Date(nowMs).toISOString();
    if (nanoSeconds === undefined) return { time };
    const last = this.#readings.get(id);
    let nanoCores = last?.nanoCores ?? 0;
    const atMs = this.#kubelet.context.clock.monotonic();
    const elapsedMs = atMs - (last?.atMs ?? atMs);
    if (last && elapsedMs >= rateMinMs)
      nanoCores = Math.max(0, Math.round(((nanoSeconds - last.nanoSeconds) / elapsedMs) * 1000));
    if (!last || elapsedMs >= rateMinMs) this.#readings.set(id, { atMs, nanoSeconds, nanoCores });
    return { time, usageNanoCores: nanoCores, usageCoreNanoSeconds: nanoSeconds };
  }

  #forgetOld(): void {
    const nowMs = this.#kubelet.context.clock.monotonic();
    for (const [id, reading] of this.#readings)
      if (nowMs - reading.atMs > readingTtlMs) this.#readings.delete(id);
  }
}

export function withPressures<Sample extends GroupSample>(
  pressures: Pressures | undefined,
  sample: Sample,
): Sample {
  if (!pressures) return sample;
  const { cpu, memory } = sample;
  return {
    ...sample,
    cpu: { ...cpu, psi: pressures.cpu },
    memory: { ...memory, psi: pressures.memory },
    io: { time: memory.time, psi: pressures.io },
  };
}

/** Rates over shorter intervals fluctuate. */
const rateMinMs = 1000;
const readingTtlMs = 10 * 60_000;

function optional(name: string, value: number | undefined): Record<string, number> {
  return value === undefined ? {} : { [name]: value };
}

function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

function fsStats(use: FilesystemUse, time: string): FsStats {
  return {
    time,
    availableBytes: use.availableBytes,
    capacityBytes: use.capacityBytes,
    usedBytes: use.usedBytes,
    inodes: use.inodes,
    inodesFree: use.inodesFree,
    inodesUsed: use.inodes - use.inodesFree,
  };
}
