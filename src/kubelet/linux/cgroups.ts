/**
 * The control groups of pods: a tree by quality-of-service class below the node's own group, in cgroup v1 (and hybrid)
 * and v2.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { QosClass } from '../../api/core/pod/qos.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import type { CgroupUsage, GroupDetails, NamedGroup, PodCgroups, PodsShare } from '../machine.ts';
import {
  cpuRequestMilli,
  cpuShares,
  cpuWeightOfShares,
  type PodLimits,
  podLimitsOf,
  widerLimits,
} from '../resources/cgroup-resources.ts';
import { qosClassOf } from '../resources/qos.ts';
import { readNumber, readTable } from './kernel-files.ts';
import { groupDetailsV1, groupDetailsV2 } from './usage/container-usage.ts';
import { groupPressures } from './usage/pressure.ts';

/** Hierarchies of v1 in which runc creates groups, one per controller; hybrid machines also have a unified one. */
const v1Controllers = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'pids',
  'devices',
  'freezer',
  'blkio',
  'hugetlb',
  'net_cls',
  'net_prio',
  'perf_event',
  'systemd',
  'unified',
];
const v2Controllers = ['cpu', 'memory', 'pids', 'cpuset', 'hugetlb', 'io'];
const periodUs = 100_000;
const unlimited = { cpuQuotaUs: undefined, memoryBytes: undefined };
/** For each page size that the kernel supports; v1 and v2. */
const hugepageLimitFile = /^hugetlb\.(\d+[KMG]B)\.(?:limit_in_bytes|max)$/;
/** How often it is tried to end the processes of a removed pod before its group is left to the next housekeeping. */
const removeTriesMax = 20;

export class LinuxCgroups implements PodCgroups {
  readonly #root: string;
  /** The groups of pods of each class; that of the guaranteed ones is around the others. */
  readonly #classes: Readonly<Record<QosClass, string>>;
  readonly #mountPoint: string;
  readonly #podPidsMax: number | undefined;
  readonly #isV2: boolean;
  readonly #controllers: readonly string[];
  /** What was last written, by pod uid. */
  readonly #applied = new Map<string, string>();
  /** What burstable pods request, in thousandths of a cpu, by pod uid. */
  readonly #burstable = new Map<string, number>();
  #burstableShares = 0;
  /** Writes of these shares, one at a time: the last one counts. */
  #sharing: Promise<void> = Promise.resolve();

  constructor(root: string, podPidsMax?: number, mountPoint = '/sys/fs/cgroup') {
    this.#root = root;
    const all = `${root}/kubepods`;
    this.#classes = { Guaranteed: all, Burstable: `${all}/burstable`, BestEffort: `${all}/besteffort` };
    this.#mountPoint = mountPoint;
    this.#podPidsMax = podPidsMax;
    this.#isV2 = existsSync(join(this.#mountPoint, 'cgroup.controllers'));
    this.#controllers = v1Controllers.filter((name) => existsSync(join(this.#mountPoint, name)));
  }

  get version(): 1 | 2 {
    return this.#isV2 ? 2 : 1;
  }

  async prepare({ milliCpu, memoryBytes, pidsMax }: PodsShare): Promise<void> {
    const { Guaranteed: all, Burstable, BestEffort } = this.#classes;
    const isNew = !existsSync(this.#folders(Burstable)[0]!);
    for (const path of [all, Burstable, BestEffort]) await this.#make(path);
    await this.#limit(all, {
      cpuShares: cpuShares(milliCpu),
      cpuQuotaUs: undefined,
      memoryBytes,
    });
    if (pidsMax !== undefined) await this.#limitPids(all, pidsMax);
    await this.#limit(BestEffort, { cpuShares: cpuShares(0), ...unlimited });
    // Existing pods keep their share until all of them are known again.
    if (isNew) await this.#shareAmongBurstable();
  }

  async apply(pod: Pod, before?: Pod): Promise<string> {
    const path = this.#pathOf(pod.metadata.uid, qosClassOf(pod));
    const limits = before ? widerLimits(podLimitsOf(pod), podLimitsOf(before)) : podLimitsOf(pod);
    const text = JSON.stringify(limits);
    if (this.#applied.get(pod.metadata.uid) === text) return path;
    await this.#make(path);
    await this.#limit(path, limits);
    await this.#limitHugepages(path, limits.hugepagesBytes);
    if (qosClassOf(pod) === 'Burstable') this.#burstable.set(pod.metadata.uid, cpuRequestMilli(pod));
    await this.#shareAmongBurstable();
    if (this.#podPidsMax !== undefined) await this.#limitPids(path, this.#podPidsMax);
    this.#applied.set(pod.metadata.uid, text);
    return path;
  }

  async remove(podUid: string): Promise<void> {
    this.#applied.delete(podUid);
    this.#burstable.delete(podUid);
    await this.#shareAmongBurstable();
    for (const qos of ['Guaranteed', 'Burstable', 'BestEffort'] as const) {
      const path = this.#pathOf(podUid, qos);
      await Promise.all(this.#folders(path).map((folder) => this.#removeTree(folder)));
    }
  }

  async list(): Promise<string[]> {
    const uids = new Set<string>();
    for (const path of Object.values(this.#classes))
      for (const folder of this.#folders(path))
        for (const name of await readdir(folder).catch(ifMissing([])))
          if (name.startsWith('pod') && name.length > 3) uids.add(name.slice(3));
    return [...uids];
  }

  async podUsage(podUid: string): Promise<CgroupUsage | undefined> {
    const path = this.#find(podUid);
    return path === undefined ? undefined : this.#usage(path);
  }

  async podsUsage(): Promise<CgroupUsage | undefined> {
    return this.#usage(this.#classes.Guaranteed);
  }

  async podGroup(podUid: string, memberId?: string): Promise<NamedGroup | undefined> {
    const pod = this.#find(podUid);
    if (pod === undefined) return undefined;
    return this.#group(memberId === undefined ? pod : `${pod}/${memberId}`);
  }

  async classGroups(): Promise<NamedGroup[]> {
    return Object.values(this.#classes).flatMap((path) => this.#group(path) ?? []);
  }

  async containerDetails(
    podUid: string,
    containerId: string,
  ): Promise<{ path: string; details: GroupDetails } | undefined> {
    const pod = this.#find(podUid);
    if (pod === undefined) return undefined;
    const path = `${pod}/${containerId}`;
    const details = this.#details(path);
    return details && { path: this.#belowRoot(path), details };
  }

  /** For the whole node: its pods and its own processes. */
  async nodeUsage(): Promise<CgroupUsage | undefined> {
    return this.#usage(this.#root === '/' ? '' : this.#root);
  }

  /** The weight of burstable pods together is what they request together. */
  #shareAmongBurstable(): Promise<void> {
    const share = async () => {
      const shares = cpuShares([...this.#burstable.values()].reduce((sum, milli) => sum + milli, 0));
      if (shares === this.#burstableShares) return;
      await this.#limit(this.#classes.Burstable, { cpuShares: shares, ...unlimited });
      this.#burstableShares = shares;
    };
    this.#sharing = this.#sharing.then(share, share);
    return this.#sharing;
  }

  /** The group of a pod, in whichever class; undefined: it has none. */
  #find(uid: string): string | undefined {
    const classes = ['Guaranteed', 'Burstable', 'BestEffort'] as const;
    return classes.map((qos) => this.#pathOf(uid, qos)).find((path) => existsSync(this.#folders(path)[0]!));
  }

  #pathOf(uid: string, qos: QosClass): string {
    return `${this.#classes[qos]}/pod${uid}`;
  }

  /** The group's folders: a single one with v2, one per controller with v1. */
  #folders(path: string): string[] {
    if (this.#isV2) return [join(this.#mountPoint, path)];
    return this.#controllers.map((controller) => join(this.#mountPoint, controller, path));
  }

  async #make(path: string): Promise<void> {
    if (this.#isV2) {
      await this.#makeV2(path);
      return;
    }
    await Promise.all(
      this.#controllers.map(async (controller) => {
        const folder = join(this.#mountPoint, controller, path);
        if (controller === 'cpuset') await makeCpuset(join(this.#mountPoint, controller), path);
        else await mkdir(folder, { recursive: true });
      }),
    );
  }

  /** Controllers must be enabled level by level, from the top. */
  async #makeV2(path: string): Promise<void> {
    let folder = this.#mountPoint;
    for (const step of path.split('/').filter((part) => part !== '')) {
      await handControllersDown(folder);
      folder = join(folder, step);
      await mkdir(folder, { recursive: true });
    }
    await handControllersDown(folder);
  }

  async #limit(path: string, limits: Omit<PodLimits, 'hugepagesBytes'>): Promise<void> {
    const { cpuShares: shares, cpuQuotaUs, memoryBytes } = limits;
    if (this.#isV2) {
      const folder = join(this.#mountPoint, path);
      await setValue(join(folder, 'cpu.weight'), String(cpuWeightOfShares(shares)));
      await setValue(join(folder, 'cpu.max'), `${cpuQuotaUs ?? 'max'} ${periodUs}`);
      await setValue(join(folder, 'memory.max'), String(memoryBytes ?? 'max'));
      return;
    }
    const cpu = join(this.#mountPoint, 'cpu', path);
    await setValue(join(cpu, 'cpu.shares'), String(shares));
    await setValue(join(cpu, 'cpu.cfs_quota_us'), String(cpuQuotaUs ?? -1));
    await setValue(
      join(this.#mountPoint, 'memory', path, 'memory.limit_in_bytes'),
      String(memoryBytes ?? -1),
    );
  }

  /** This includes sizes that the pod did not ask for: it may not use those. */
  async #limitHugepages(path: string, bytes: PodLimits['hugepagesBytes']): Promise<void> {
    const folder = join(this.#mountPoint, this.#isV2 ? '' : 'hugetlb', path);
    for (const name of await readdir(folder).catch(ifMissing([]))) {
      const size = hugepageLimitFile.exec(name)?.[1];
      if (size !== undefined) await setValue(join(folder, name), String(bytes[size] ?? 0));
    }
  }

  async #limitPids(path: string, max: number): Promise<void> {
    const folder = this.#isV2 ? join(this.#mountPoint, path) : join(this.#mountPoint, 'pids', path);
    await setValue(join(folder, 'pids.max'), String(max));
  }

  /** Inner groups go first; remaining processes are killed. */
  async #removeTree(folder: string): Promise<void> {
    if (!existsSync(folder)) return;
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(ifMissing([])))
      if (entry.isDirectory()) await this.#removeTree(join(folder, entry.name));
    for (let attempt = 0; attempt < removeTriesMax; attempt++) {
      try {
        await rmdir(folder);
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') return;
        if (code !== 'EBUSY') throw error;
        await endProcesses(folder);
        // The kernel releases a group a moment after its last process.
        await new Promise((resolve) => setTimeout(resolve, 2 * (attempt + 1)));
      }
    }
  }

  #group(path: string): NamedGroup | undefined {
    const [usage, details] = [this.#usage(path), this.#details(path)];
    return usage && details && { path: this.#belowRoot(path), usage, details };
  }

  #details(path: string): GroupDetails | undefined {
    return this.#isV2 ? groupDetailsV2(join(this.#mountPoint, path)) : groupDetailsV1(this.#mountPoint, path);
  }

  #belowRoot(path: string): string {
    return path.slice(this.#root === '/' ? 0 : this.#root.length);
  }

  #usage(path: string): CgroupUsage | undefined {
    return this.#isV2 ? usageV2(join(this.#mountPoint, path)) : usageV1(this.#mountPoint, path);
  }
}

/** The error for a limit that the kernel refuses names the file; a missing file means that the controller is off. */
async function setValue(file: string, value: string): Promise<void> {
  try {
    await writeFile(file, value);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new Error(`cannot write ${value} to ${file}`, { cause: error });
  }
}

/** The groups within a v2 group have the controllers that it enables. */
async function handControllersDown(folder: string): Promise<void> {
  const words = async (name: string) => (await readFile(join(folder, name), 'utf8')).trim().split(/\s+/);
  const [available, enabled] = await Promise.all([
    words('cgroup.controllers'),
    words('cgroup.subtree_control'),
  ]);
  const missing = v2Controllers.filter((name) => available.includes(name) && !enabled.includes(name));
  if (missing.length === 0) return;
  await setValue(join(folder, 'cgroup.subtree_control'), missing.map((name) => `+${name}`).join(' '));
}

/**
 * A v1 cpuset starts empty, and accepts no process until it has CPUs and memory nodes, which are copied from its
 * parent.
 */
async function makeCpuset(root: string, path: string): Promise<void> {
  let folder = root;
  for (const step of path.split('/').filter((part) => part !== '')) {
    const parent = folder;
    folder = join(folder, step);
    await mkdir(folder, { recursive: true });
    for (const name of ['cpuset.cpus', 'cpuset.mems']) {
      if ((await readFile(join(folder, name), 'utf8')).trim() !== '') continue;
      await writeFile(join(folder, name), await readFile(join(parent, name), 'utf8'));
    }
  }
}

async function endProcesses(folder: string): Promise<void> {
  const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(ifMissing(''));
  for (const pid of text.split('\n').filter((line) => line !== '')) {
    // 0: a process of another PID namespace, which cannot be reached.
    if (pid === '0') continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function usageV1(mountPoint: string, path: string): CgroupUsage | undefined {
  const memory = join(mountPoint, 'memory', path);
  const cpu = readNumber(join(mountPoint, 'cpuacct', path, 'cpuacct.usage'));
  const usage = readNumber(join(memory, 'memory.usage_in_bytes'));
  if (cpu === undefined && usage === undefined) return undefined;
  const stat = readTable(join(memory, 'memory.stat'));
  return {
    cpuUsageNanoSeconds: cpu ?? 0,
    memoryUsageBytes: usage ?? 0,
    memoryWorkingSetBytes: Math.max(0, (usage ?? 0) - (stat.get('total_inactive_file') ?? 0)),
    memoryRssBytes: stat.get('total_rss') ?? 0,
    swapBytes: stat.get('total_swap') ?? 0,
    pageFaults: stat.get('total_pgfault') ?? 0,
    majorPageFaults: stat.get('total_pgmajfault') ?? 0,
    pids: readNumber(join(mountPoint, 'pids', path, 'pids.current')) ?? 0,
  };
}

function usageV2(folder: string): CgroupUsage | undefined {
  const cpu = readTable(join(folder, 'cpu.stat'));
  if (cpu.size === 0) return undefined;
  const usage = readNumber(join(folder, 'memory.current')) ?? 0;
  const stat = readTable(join(folder, 'memory.stat'));
  const pressures = groupPressures(folder);
  return {
    cpuUsageNanoSeconds: (cpu.get('usage_usec') ?? 0) * 1000,
    memoryUsageBytes: usage,
    memoryWorkingSetBytes: Math.max(0, usage - (stat.get('inactive_file') ?? 0)),
    memoryRssBytes: stat.get('anon') ?? 0,
    swapBytes: readNumber(join(folder, 'memory.swap.current')) ?? 0,
    pageFaults: stat.get('pgfault') ?? 0,
    majorPageFaults: stat.get('pgmajfault') ?? 0,
    pids: readNumber(join(folder, 'pids.current')) ?? 0,
    ...(pressures && { pressures }),
  };
}
