/** Resident memory of a cluster's processes: those whose command line names the cluster's data folder, by /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** MiB by process, e.g. `server`, `agent`, `containerd`, `containerd-shim-runc-v2`; several of a name are added up. */
export type MemoryFigures = Record<string, number>;

export function measureMemory(dataFolder: string): MemoryFigures {
  const figures: MemoryFigures = { total: 0 };
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const commandLine = readProcess(pid, 'cmdline')?.replaceAll('\0', ' ') ?? '';
    if (Number(pid) === process.pid || !commandLine.includes(dataFolder)) continue;
    const name = processName(commandLine);
    const residentKiB = Number(/^VmRSS:\s+(\d+)/m.exec(readProcess(pid, 'status') ?? '')?.[1] ?? 0);
    const mebibytes = residentKiB / 1024;
    figures[name] = round((figures[name] ?? 0) + mebibytes);
    figures.total = round(figures.total! + mebibytes);
  }
  return figures;
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
