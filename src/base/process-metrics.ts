/** Metrics that every process exports about itself, under the names of Prometheus' client libraries. */
import { readdirSync, readFileSync } from 'node:fs';
import type { MetricsRegistry } from './metrics.ts';

export function collectProcess(metrics: MetricsRegistry): void {
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    metrics.collected(name, help, () => {
      const value = read();
      return value === undefined ? [] : [{ value }];
    });
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes.', virtualMemoryBytes);
  gauge(
    'process_start_time_seconds',
    'Start time of the process since unix epoch in seconds.',
    () => performance.timeOrigin / 1000,
  );
  gauge('process_open_fds', 'Number of open file descriptors.', openFiles);
  gauge('process_max_fds', 'Maximum number of open file descriptors.', openFilesMax);
  metrics.collected(
    'process_cpu_seconds_total',
    'Total user and system CPU time spent in seconds.',
    () => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    },
    'counter',
  );
}

function virtualMemoryBytes(): number | undefined {
  const found = /^VmSize:\s+(\d+) kB$/m.exec(readProc('status') ?? '');
  return found ? Number(found[1]) * 1024 : undefined;
}

function openFilesMax(): number | undefined {
  const found = /^Max open files\s+(\d+)/m.exec(readProc('limits') ?? '');
  return found ? Number(found[1]) : undefined;
}

function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined; // no Linux: such a series is left out there
  }
}

function readProc(name: string): string | undefined {
  try {
    return readFileSync(`/proc/self/${name}`, 'utf8');
  } catch {
    return undefined; // no Linux
  }
}
