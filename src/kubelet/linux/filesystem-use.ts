/** How full a file system is. */
import { statfs } from 'node:fs/promises';
import type { FilesystemUse } from '../machine.ts';

/** Of the one that the path is on. Undefined: nothing is there, or nothing that tells. */
export async function filesystemUse(path: string): Promise<FilesystemUse | undefined> {
  const stats = await statfs(path).catch(() => undefined);
  if (!stats) return undefined;
  return {
    capacityBytes: stats.blocks * stats.bsize,
    availableBytes: stats.bavail * stats.bsize,
    usedBytes: (stats.blocks - stats.bfree) * stats.bsize,
    inodes: stats.files,
    inodesFree: stats.ffree,
  };
}
