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
    const target = readTarget(file);
    // Released since: nothing may be removed now, for the next holder's lock may already be there.
    if (target === undefined) continue;
    const holder = target === notALink ? undefined : (JSON.parse(target) as ProcessIdentity);
    if (holder && isRunning(holder)) {
      if (performance.now() > deadline)
        throw new Failure(`another command (process ${holder.pid}) is at work on it`, {
          advice: `wait for it, or end it: kill ${holder.pid}`,
        });
    } else if (removeLeft(file, target)) continue;
    await systemClock.sleep(lockPollMs);
  }
}

/**
 * Removes a lock whose holder is gone. Several commands may find it at the same time: they remove it one by one, so that
 * the second does not remove the lock that the first has put in its place. False when another one is at it.
 */
function removeLeft(file: string, target: string): boolean {
  const removal = `${file}.removal`;
  if (!tryLock(removal)) {
    const remover = readTarget(removal);
    if (remover !== undefined && !isRunning(JSON.parse(remover) as ProcessIdentity))
      rmSync(removal, { force: true });
    return false;
  }
  try {
    if (readTarget(file) === target) rmSync(file, { force: true });
  } finally {
    rmSync(removal, { force: true });
  }
  return true;
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

/** What is not a link was not made here, and nobody holds it. */
const notALink = '';

/** The holder's identity as JSON, or `notALink`; undefined when there is no lock any more. */
function readTarget(file: string): string | undefined {
  try {
    return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : notALink;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
