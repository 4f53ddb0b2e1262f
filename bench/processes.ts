/** What a cluster's processes take: those whose command line names the cluster's data folder, by /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** MiB by process, e.g. `server`, `agent`, `containerd`, `etcd`; several of a name are added up. */
export type MemoryFigures = Record<string, number>;

/** Linux counts in this unit on every architecture. */
const ticksPerSecond = 100;

/** Resident memory. */
export function measureMemory(dataFolder: string): MemoryFigures {
  const figures: MemoryFigures = { total: 0 };
  for (const { pid, commandLine } of processesOf(dataFolder)) {
    const name = processName(commandLine);
    const residentKiB = Number(/^VmRSS:\s+(\d+)/m.exec(readProcess(pid, 'status') ?? '')?.[1] ?? 0);
    const mebibytes = residentKiB / 1024;
    figures[name] = round((figures[name] ?? 0) + mebibytes);
    figures.total = round(figures.total! + mebibytes);
  }
  return figures;
}

/** Processor time that those which run now have taken so far, with the children that they have waited for. */
export function cpuSeconds(dataFolder: string): number {
  let ticks = 0;
  for (const { pid } of processesOf(dataFolder)) {
    // The name before it may have any letters; see proc(5) for the fields.
    const fields = (readProcess(pid, 'stat') ?? '').split(') ').at(-1)!.split(' ');
    ticks += fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  }
  return ticks / ticksPerSecond;
}

function processesOf(dataFolder: string): { pid: string; commandLine: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => ({ pid, commandLine: readProcess(pid, 'cmdline')?.replaceAll('\0', ' ') ?? '' }))
    .filter(({ commandLine }) => commandLine.includes(dataFolder));
}

/** Undefined when the process has ended meanwhile. */
function readProcess(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function processName(commandLine: string): string {
  const script = /src\/cmd\/([\w-]+)\.ts/.exec(commandLine)?.[1];
  return script ?? commandLine.split(' ', 1)[0]!.split('/').at(-1)!;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
