/**
 * Room on the node's disk for the next start of containerd: when it takes containers over, it writes down the status of
 * each, and forgets those for which it cannot. They would run on, and others start beside them.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeFolder } from '../data-folder.ts';
import { Failure } from '../failure.ts';

/** A block for each of a few hundred containers, twice while it is replaced, and the log of a start. */
const reserveBytes = 4 * 1024 * 1024;

/** On the disk of containerd's own files. */
export const reserveFile = (folder: NodeFolder) => join(folder.varLib, 'containerd-reserve');

/** @returns false when there is no room for it */
export function keepReserve(folder: NodeFolder, write: typeof writeFileSync = writeFileSync): boolean {
  const file = reserveFile(folder);
  if (existsSync(file)) return true;
  try {
    // Not zeros, which some file systems do not store.
    write(file, randomBytes(reserveBytes), { mode: 0o600 });
    return true;
  } catch (error) {
    rmSync(file, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') return false;
    throw error;
  }
}

/** @throws Failure when there is neither a reserve nor room for one */
export function useReserve(folder: NodeFolder, write?: typeof writeFileSync): void {
  if (!keepReserve(folder, write))
    throw new Failure('containerd has no room to take over the containers that run', {
      advice: `make room below ${folder.path}: at least ${reserveBytes / 1024 / 1024} MiB`,
    });
  rmSync(reserveFile(folder));
}
