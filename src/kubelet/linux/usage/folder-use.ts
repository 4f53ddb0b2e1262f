/** What a folder takes of the disk that it is on. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifMissing } from '../../../base/system/if-missing.ts';

export interface DiskUse {
  bytes: number;
  inodes: number;
}

/** The disk usage of a folder. Files that vanish meanwhile count as nothing. */
export async function diskUseOf(path: string): Promise<DiskUse> {
  const stats = await lstat(path).catch(ifMissing(undefined));
  if (!stats) return noDiskUse;
  const own = { bytes: stats.blocks * 512, inodes: 1 };
  if (!stats.isDirectory()) return own;
  const parts = [own];
  for (const name of await readdir(path).catch(ifMissing([]))) parts.push(await diskUseOf(join(path, name)));
  return sumOf(parts);
}

export const noDiskUse: DiskUse = { bytes: 0, inodes: 0 };

export function sumOf(parts: readonly DiskUse[]): DiskUse {
  return parts.reduce(
    (sum, part) => ({
      bytes: sum.bytes + part.bytes,
      inodes: sum.inodes + part.inodes,
    }),
    noDiskUse,
  );
}
