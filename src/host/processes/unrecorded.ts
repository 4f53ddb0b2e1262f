/** Processes whose record was lost or damaged: they are found by what they were started with, as they would be in the way. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isMissing } from '../../base/system/if-missing.ts';
import { type ProcessIdentity, processIdentity, stopProcess } from './process.ts';

const processesFolder = '/proc';

/** Ends those that run this program, of whatever version, with this configuration, which only one may have. */
export async function stopUnrecorded(program: string, configFile: string, graceMs: number): Promise<void> {
  for (const identity of findStarted(program, configFile)) await stopProcess(identity, graceMs);
}

/** None where the system does not show them. */
function findStarted(program: string, configFile: string): ProcessIdentity[] {
  const pids = readIfThere(() => readdirSync(processesFolder))?.filter((name) => /^\d+$/.test(name)) ?? [];
  return pids.flatMap((pid) => {
    const words = readIfThere(() => readFileSync(`${processesFolder}/${pid}/cmdline`, 'utf8'))?.split('\0');
    // The last word ends with a zero, too. An editor that has the file open is no such process.
    const [script, config] = words?.slice(-3) ?? [];
    if (config !== configFile || basename(script!) !== basename(program)) return [];
    return processIdentity(Number(pid)) ?? [];
  });
}

/** Processes come and go while they are looked at. */
function readIfThere<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
