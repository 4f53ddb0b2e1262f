/**
 * One command at a time works on a cluster. A lock that its holder left behind is taken over. It is a link whose target
 * says who holds it: made in one step, and without any room on the disk, so that a cluster on a full one can be deleted.
 */
import { lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { Failure } from './failure.ts';
import { isRunning, type ProcessIdentity, processIdentity } from './processes/process.ts';

const lockWaitMs = 120_000;
const lockPollMs = 50;

export async function withLock<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  await acquire(file);
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

async function acquire(file: string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const deadline = performance.now() + lockWaitMs;
  while (!tryLock(file)) {
    const holder = readHolder(file);
    if (!holder || !isRunning(holder)) rmSync(file, { force: true });
    else if (performance.now() > deadline)
      throw new Failure(`another command (process ${holder.pid}) is at work on it`, {
        advice: `wait for it, or end it: kill ${holder.pid}`,
      });
    else await systemClock.sleep(lockPollMs);
  }
}

function tryLock(file: string): boolean {
  try {
    symlinkSync(JSON.stringify(processIdentity(process.pid)), file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined when the lock is gone again, or is none: what is no link was not made here. */
function readHolder(file: string): ProcessIdentity | undefined {
  try {
    if (!lstatSync(file).isSymbolicLink()) return undefined;
    return JSON.parse(readlinkSync(file)) as ProcessIdentity;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
