/** How full a file system is. */
import { statfs } from 'node:fs/promises';
import { ifMissing } from '../../base/if-missing.ts';
import type { FilesystemUse } from '../machine.ts';

/** Of the one that the path is on. Undefined: nothing is there. */
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
