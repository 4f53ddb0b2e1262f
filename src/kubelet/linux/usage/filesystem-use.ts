/** How full a file system is. */
import { statfs } from 'node:fs/promises';
import { ifMissing } from '../../../base/system/if-missing.ts';
import type { FilesystemUse } from '../../machine.ts';

/** Of the file system that holds the path. Undefined: the path does not exist. */
export async function filesystemUse(path: string): Promise<FilesystemUse | undefined> {
  const stats = await statfs(path).catch(ifMissing(undefined));
  if (!stats) return undefined;
  return {
    capacityBytes: stats.blocks * stats.bsize,
    availableBytes: stats.bavail * stats.bsize,
    usedBytes: (stats.blocks - stats.bfree) * stats.bsize,
    inodes: stats.files,
    inodesFree: stats.ffree,
  };
}

/** The source of the mount with this device number, as `stat` gives it; `mountinfo`: the kernel's list. */
export function mountedDevice(mountinfo: string, number: number): string | undefined {
  // The kernel stores the 20-bit minor number around the 12-bit major one, as glibc does.
  const major = (number >>> 8) & 0xfff;
  const minor = (number & 0xff) | ((number >>> 12) & 0xfff00);
  for (const line of mountinfo.split('\n')) {
    const [mount = '', kind = ''] = line.split(' - ');
    if (mount.split(' ')[2] === `${major}:${minor}`) return kind.split(' ')[1];
  }
  return undefined;
}
