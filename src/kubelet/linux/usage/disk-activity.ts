/** What disks have done since the machine started, as the kernel counts it in `/proc/diskstats`. */
import type { DiskActivity } from '../../machine.ts';
import { readText } from '../kernel-files.ts';

/** By device, as it is mounted: `/dev/sda1`. */
export function diskActivities(): ReadonlyMap<string, DiskActivity> {
  return parseDiskActivities(readText('/proc/diskstats'));
}

/** Lines of major, minor, name, and figures whose order the kernel promises; times are in milliseconds. */
export function parseDiskActivities(text: string): Map<string, DiskActivity> {
  const activities = new Map<string, DiskActivity>();
  for (const line of text.split('\n')) {
    const [, , name, ...figures] = line.trim().split(/\s+/);
    if (name === undefined) continue;
    const at = (index: number) => Number(figures[index] ?? 0);
    activities.set(`/dev/${name}`, {
      reads: at(0),
      readsMerged: at(1),
      sectorsRead: at(2),
      readSeconds: at(3) / 1000,
      writes: at(4),
      writesMerged: at(5),
      sectorsWritten: at(6),
      writeSeconds: at(7) / 1000,
      underWay: at(8),
      busySeconds: at(9) / 1000,
      weightedSeconds: at(10) / 1000,
    });
  }
  return activities;
}
