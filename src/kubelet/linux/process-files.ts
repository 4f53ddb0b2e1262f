/** The files that the processes of a control group have open. */
import { readdirSync, readlinkSync } from 'node:fs';
import { isMissing } from '../../base/system/if-missing.ts';
import type { OpenFiles } from '../machine.ts';
import { readText } from './kernel-files.ts';

/** Beyond this number, a process's descriptors count as files without a check for sockets, which takes time. */
const looksMax = 1024;

/** Processes that end meanwhile count as having none open. */
export function openFilesOf(pids: readonly number[], proc = '/proc'): OpenFiles {
  let descriptors = 0;
  let sockets = 0;
  for (const pid of pids) {
    const folder = `${proc}/${pid}/fd`;
    const names = unlessGone(() => readdirSync(folder)) ?? [];
    descriptors += names.length;
    for (const name of names.slice(0, looksMax))
      if (unlessGone(() => readlinkSync(`${folder}/${name}`))?.startsWith('socket:')) sockets++;
  }
  const [first] = pids;
  const softMax = first === undefined ? undefined : openFilesMaxOf(`${proc}/${first}`);
  return { descriptors, sockets, ...(softMax !== undefined && { softMax }) };
}

/** The soft limit; -1: none. */
function openFilesMaxOf(folder: string): number | undefined {
  const found = /^Max open files\s+(\d+|unlimited)/m.exec(readText(`${folder}/limits`))?.[1];
  if (found === undefined) return undefined;
  return found === 'unlimited' ? -1 : Number(found);
}

function unlessGone<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isMissing(error) || code === 'ESRCH' || code === 'EACCES') return undefined;
    throw error;
  }
}
