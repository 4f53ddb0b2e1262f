/**
 * One command at a time works on a cluster. A lock that its holder left behind is taken over. It is a link whose target
 * says who holds it: made in one step, and without any room on the disk, so that a cluster on a full one can be deleted.
 */
import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { isMissing } from '../base/system/if-missing.ts';
import { removeTree } from '../base/system/remove-tree.ts';
import type { ClusterFolder } from './data-folder.ts';
import { Failure } from './failure.ts';
import { isRunning, type ProcessIdentity, processIdentity } from './processes/process.ts';

const lockWaitMs = 120_000;
const lockPollMs = 50;

export async function withLock<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  await acquire(file, lockWaitMs, busy);
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** For work that goes on: nobody waits for its end. @throws what `refusal` makes of the process that has the lock */
export async function withOwnLock<Result>(
  file: string,
  refusal: (holder: ProcessIdentity) => Failure,
  work: () => Promise<Result>,
): Promise<Result> {
  await acquire(file, 0, refusal);
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/**
 * For a cluster's folder, which contains its lock. The folder is created for the lock, and removed with it when nothing
 * else is in it: a command that waits for the lock of a deleted cluster finds none, and leaves none behind.
 */
export async function withFolderLock<Result>(
  folder: Pick<ClusterFolder, 'path' | 'lock'>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await withLock(folder.lock, work);
  } finally {
    removeIfEmpty(folder.path);
  }
}

/**
 * Everything but the lock, which its holder still needs. The record goes last: without it the remains of an interrupted
 * deletion would not be found, and the next cluster of that name would start with them.
 */
export async function emptyLockedFolder(
  folder: Pick<ClusterFolder, 'path' | 'lock' | 'record'>,
): Promise<void> {
  const paths = readdirSync(folder.path).map((name) => join(folder.path, name));
  const kept = [folder.lock, folder.record];
  for (const path of [...paths.filter((each) => !kept.includes(each)), folder.record])
    await removeFolder(path);
}

async function removeFolder(path: string): Promise<void> {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    // Slower, but it knows which file it is.
    await removeTree(path).catch(refused);
  }
}

function refused(error: NodeJS.ErrnoException): never {
  if (error.code !== 'EPERM' || !error.path) throw error;
  throw new Failure(`${error.path} cannot be removed`, {
    advice: `let it be removed, and run the command again; if lsattr shows it as immutable: chattr -i ${error.path}`,
    cause: error,
  });
}

async function acquire(
  file: string,
  waitMs: number,
  refusal: (holder: ProcessIdentity) => Failure,
): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (true) {
    const taken = takeLock(file);
    if (taken === true) return;
    if (taken !== false && performance.now() >= deadline) throw refusal(taken);
    await systemClock.sleep(lockPollMs);
  }
}

function busy({ pid }: ProcessIdentity): Failure {
  return new Failure(`another command (process ${pid}) is at work on it`, {
    advice: `wait for it, or end it: kill ${pid}`,
  });
}

/** One attempt. @returns the process that has it, or false when that is not known: it is just being taken over */
export function takeLock(file: string): true | false | ProcessIdentity {
  while (!tryLock(file)) {
    const target = readTarget(file);
    // Released since: nothing may be removed now, for the next holder's lock may already be there.
    if (target === undefined) continue;
    const holder = target === notALink ? undefined : (JSON.parse(target) as ProcessIdentity);
    if (holder && isRunning(holder)) return holder;
    if (!removeLeft(file, target)) return false;
  }
  return true;
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && !isMissing(error)) throw error;
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
  mkdirSync(dirname(file), { recursive: true });
  try {
    symlinkSync(JSON.stringify(processIdentity(process.pid)), file);
    return true;
  } catch (error) {
    // The previous holder has deleted the folder: it is created again.
    if (isMissing(error)) return tryLock(file);
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Anything but a link was not created here, and has no holder. */
const notALink = '';

/** The holder's identity as JSON, or `notALink`; undefined when the lock no longer exists. */
function readTarget(file: string): string | undefined {
  try {
    return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : notALink;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
