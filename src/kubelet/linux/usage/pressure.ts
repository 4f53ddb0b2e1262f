/** Pressure stall information: how long work waited for CPU, memory and IO, each from a file of the kernel. */
import { join } from 'node:path';
import type { Pressure, Pressures, Stall } from '../../machine.ts';
import { readText } from '../kernel-files.ts';

/** Of a cgroup v2 group. Undefined where the kernel does not measure it. */
export function groupPressures(folder: string): Pressures | undefined {
  const [cpu, memory, io] = ['cpu', 'memory', 'io'].map((name) =>
    parsePressure(readText(join(folder, `${name}.pressure`))),
  );
  return cpu && memory && io && { cpu, memory, io };
}

/** Two lines like `some avg10=0.12 avg60=0.05 avg300=0.01 total=4711`, the total in microseconds. */
export function parsePressure(text: string): Pressure | undefined {
  const stalls = new Map<string, Stall>();
  for (const [, kind, figures = ''] of text.matchAll(/^(some|full) (.*)$/gm)) {
    const of = (name: string) => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(figures)?.[1] ?? 0);
    stalls.set(kind!, { total: of('total'), avg10: of('avg10'), avg60: of('avg60'), avg300: of('avg300') });
  }
  const some = stalls.get('some');
  return some && { some, full: stalls.get('full') ?? { total: 0, avg10: 0, avg60: 0, avg300: 0 } };
}
