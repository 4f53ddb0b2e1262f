/**
 * Room on the node's disk for the next start of containerd: when it takes containers over, it writes down the status of
 * each, and forgets those for which it cannot. They would run on, and others start beside them.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeFolder } from '../data-folder.ts';
import { Failure } from '../failure.ts';

/** A block for each of a few hundred containers, twice while it is replaced, and the log of a start. */
const reserveBytes = 4 * 1024 * 1024;

/** On the disk of containerd's own files. */
export const reserveFile = (folder: NodeFolder) => join(folder.varLib, 'containerd-reserve');

/** Bytes that are free for Wherry on the disk of a folder. */
function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/**
 * The containerd that has just started may still be taking containers over: what is left of the disk is never filled, not
 * even for a moment.
 */
export function keepReserve(folder: NodeFolder, free = freeBytes): void {
  const file = reserveFile(folder);
  if (existsSync(file) || free(folder.varLib) < 2 * reserveBytes) return;
  try {
    // Not zeros, which some file systems do not store.
    writeFileSync(file, randomBytes(reserveBytes), { mode: 0o600 });
  } catch (error) {
    rmSync(file, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
  }
}

/** Gives the reserve up where the disk has no other room. @throws Failure when there is no reserve either */
export function useReserve(folder: NodeFolder, free = freeBytes): void {
  const file = reserveFile(folder);
  if (free(folder.varLib) >= reserveBytes) return;
  if (existsSync(file)) rmSync(file);
  else
    throw new Failure('containerd has no room to take over the containers that run', {
      advice: `make room below ${folder.path}: at least ${reserveBytes / 1024 / 1024} MiB`,
    });
}
