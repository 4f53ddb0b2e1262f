/** One command at a time works on a cluster. A lock that its holder left behind is taken over. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { Failure } from './failure.ts';
import { isRunning, type ProcessIdentity, processIdentity } from './process.ts';

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
    writeFileSync(file, JSON.stringify(processIdentity(process.pid)), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined when the file is gone again, or was left half written. */
function readHolder(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
