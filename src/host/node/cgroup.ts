/**
 * Control groups of a cluster: one folder per node in every hierarchy that the machine has (v1, v2, or both), made
 * before anything runs in it and taken away with everything that still does.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { isMissing } from '../../base/system/if-missing.ts';

export interface CgroupHierarchy {
  path: string;
  version: 1 | 2;
  /** v1: the controllers mounted here (`cpu`, `name=systemd`, …). */
  controllers: readonly string[];
}

/** Controllers that pods may be limited by. */
const delegatedControllers = ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb'];
/** The default CPU weight of a group, and the largest one, by file. */
const weights = [
  { file: 'cpu.shares', ordinary: 1024, max: 262_144 },
  { file: 'cpu.weight', ordinary: 100, max: 10_000 },
] as const;
const killWaitMs = 5000;
const killPollMs = 10;

/** The hierarchies mounted on this machine. */
export function cgroupHierarchies(
  mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
): CgroupHierarchy[] {
  const found = new Map<string, CgroupHierarchy>();
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    if (!left || !right) continue;
    const path = left.split(' ')[4]!;
    const [type, , options = ''] = right.split(' ');
    if (type === 'cgroup2') found.set(path, { path, version: 2, controllers: [] });
    else if (type === 'cgroup') {
      const controllers = options.split(',').filter((option) => option !== 'rw' && option !== 'ro');
      found.set(path, { path, version: 1, controllers });
    }
  }
  return [...found.values()];
}

/** True when limits are set through v2: the only hierarchy is the unified one. */
export function isUnified(hierarchies: readonly CgroupHierarchy[]): boolean {
  return hierarchies.length > 0 && hierarchies.every((hierarchy) => hierarchy.version === 2);
}

/**
 * Makes the group `path` (absolute, as the kernel names it: `/wherry/x/node`) in every hierarchy, usable for limits.
 * @returns the `cgroup.procs` files through which a process joins it.
 */
export function ensureCgroup(hierarchies: readonly CgroupHierarchy[], path: string): string[] {
  for (const hierarchy of hierarchies) {
    const folder = join(hierarchy.path, path);
    const top = groupsFrom(hierarchy.path, folder)[0]!;
    const isNew = !existsSync(top);
    if (hierarchy.version === 2) makeV2(hierarchy.path, folder);
    else makeV1(hierarchy, folder);
    if (isNew) weighByCores(top);
  }
  return hierarchies.map((hierarchy) => join(hierarchy.path, path, 'cgroup.procs'));
}

/** Ends every process in the group and below, and removes the group from every hierarchy. */
export async function removeCgroup(hierarchies: readonly CgroupHierarchy[], path: string): Promise<void> {
  const folders = hierarchies
    .map((hierarchy) => join(hierarchy.path, path))
    .filter((folder) => existsSync(folder));
  const deadline = performance.now() + killWaitMs;
  for (;;) {
    const pids = folders.flatMap((folder) => groupsBelow(folder).flatMap(processesOf));
    if (pids.length === 0) break;
    if (performance.now() > deadline)
      throw new Error(`processes ${pids.join(', ')} in control group ${path} do not end`);
    thawCgroup(hierarchies, path);
    for (const pid of pids) killNow(pid);
    await systemClock.sleep(killPollMs);
  }
  for (const folder of folders) for (const group of groupsBelow(folder)) await removeEmptyGroup(group);
}

/** What is frozen in the group or below goes on: with v1, a frozen process does not even end when it is killed. */
export function thawCgroup(hierarchies: readonly CgroupHierarchy[], path: string): void {
  for (const hierarchy of hierarchies) {
    const folder = join(hierarchy.path, path);
    if (!hierarchy.controllers.includes('freezer') || !existsSync(folder)) continue;
    // From the top: what is below a frozen group stays frozen.
    for (const group of groupsBelow(folder).reverse()) thaw(join(group, 'freezer.state'));
  }
}

/** Removes the parent groups, as far as they are empty: `/wherry/x`, then `/wherry`. */
export function removeEmptyParents(hierarchies: readonly CgroupHierarchy[], path: string): void {
  for (const hierarchy of hierarchies) {
    for (let parent = dirname(path); parent !== '/'; parent = dirname(parent)) {
      if (!removeIfEmpty(join(hierarchy.path, parent))) break;
    }
  }
}

function makeV1(hierarchy: CgroupHierarchy, folder: string): void {
  mkdirSync(folder, { recursive: true });
  if (!hierarchy.controllers.includes('cpuset')) return;
  // A new cpuset is empty, and no process can join an empty one.
  for (const group of groupsFrom(hierarchy.path, folder)) {
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (readFileSync(join(group, file), 'utf8').trim() === '')
        writeFileSync(join(group, file), readFileSync(join(dirname(group), file)));
    }
  }
}

/**
 * All clusters together weigh as much as the machine has cores, as the group of all pods does upstream: as one ordinary
 * group they would starve beside a compiler with a few processes.
 */
function weighByCores(group: string): void {
  for (const { file, ordinary, max } of weights) {
    const path = join(group, file);
    if (existsSync(path)) writeFileSync(path, String(Math.min(max, ordinary * availableParallelism())));
  }
}

function makeV2(root: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  // The group itself enables no controllers for its children: it may hold processes, or groups whose creators enable
  // them.
  for (const group of [root, ...groupsFrom(root, folder)].slice(0, -1)) enableControllers(root, group);
}

function enableControllers(root: string, group: string): void {
  const words = (file: string) => readFileSync(join(group, file), 'utf8').trim().split(/\s+/);
  const available = words('cgroup.controllers');
  const enabled = words('cgroup.subtree_control');
  const missing = delegatedControllers.filter((name) => available.includes(name) && !enabled.includes(name));
  if (missing.length === 0) return;
  const enable = () =>
    writeFileSync(join(group, 'cgroup.subtree_control'), missing.map((name) => `+${name}`).join(' '));
  try {
    enable();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || group !== root) throw error;
    // In a container the visible root is an ordinary group, and one with processes cannot hand controllers on.
    const shelter = join(root, 'init');
    mkdirSync(shelter, { recursive: true });
    for (const pid of processesOf(root)) writeFileSync(join(shelter, 'cgroup.procs'), String(pid));
    enable();
  }
}

/** The groups from just below `root` down to `folder`. */
function groupsFrom(root: string, folder: string): string[] {
  const groups: string[] = [];
  for (let group = folder; group !== root; group = dirname(group)) groups.unshift(group);
  return groups;
}

/** The group and all below it, deepest first. */
function groupsBelow(folder: string): string[] {
  const children = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...children.flatMap((entry) => groupsBelow(join(folder, entry.name))), folder];
}

function processesOf(folder: string): number[] {
  try {
    // 0 stands for a process of a namespace that cannot be seen from here; it appears in another group's list, too.
    return readFileSync(join(folder, 'cgroup.procs'), 'utf8')
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'EOPNOTSUPP') return [];
    throw error;
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function thaw(file: string): void {
  try {
    if (readFileSync(file, 'utf8').trim() !== 'THAWED') writeFileSync(file, 'THAWED', { flag: 'r+' });
  } catch (error) {
    // The group has just been removed.
    if (!isMissing(error)) throw error;
  }
}

/** A group stays busy for a moment after its last process has ended. */
async function removeEmptyGroup(group: string): Promise<void> {
  const deadline = performance.now() + killWaitMs;
  while (!removeIfEmpty(group)) {
    if (performance.now() > deadline) throw new Error(`control group ${group} stays busy`);
    await systemClock.sleep(killPollMs);
  }
}

/** False when something is still in it. */
function removeIfEmpty(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}
