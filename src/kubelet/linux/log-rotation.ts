/**
 * Keeps the logs of running containers within bounds: a full file is renamed, older ones are compressed, then deleted.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';

export interface LogRotationOptions {
  runtime: Pick<ContainerRuntime, 'reopenContainerLog'>;
  clock: Clock;
  logger: Logger;
  /** Running containers, with their logs. */
  logs: () => Iterable<{ id: string; logPath: string }>;
  sizeMaxBytes: number;
  /** Including the active file. */
  filesMax: number;
  everyMs: number;
}

export async function rotateLogs(options: LogRotationOptions, signal: AbortSignal): Promise<void> {
  const { clock, logger, everyMs } = options;
  while (!signal.aborted) {
    await pause(clock, everyMs, signal);
    for (const { id, logPath } of signal.aborted ? [] : options.logs()) {
      try {
        await rotateLog(id, logPath, options);
      } catch (error) {
        logger.warn('a log could not be rotated', { logPath, error });
      }
    }
  }
}

/** True when the file was full. */
export async function rotateLog(id: string, logPath: string, options: LogRotationOptions): Promise<boolean> {
  const { runtime, clock, sizeMaxBytes, filesMax } = options;
  const stats = await stat(logPath).catch(ifMissing(undefined));
  if (!stats) {
    // An earlier rotation was killed here: the container still writes to the renamed file, which would be compressed
    // and deleted.
    await runtime.reopenContainerLog(id);
    return false;
  }
  if (stats.size < sizeMaxBytes) return false;
  const older = await rotatedFiles(logPath);
  // With the newly renamed file and the active one, filesMax files remain.
  const excess = Math.max(0, older.length - (filesMax - 2));
  for (const path of older.slice(0, excess)) await rm(path, { force: true });
  for (const path of older.slice(excess)) if (!path.endsWith('.gz')) await pack(path);
  const time = new Date(clock.now()).toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const aside = `${logPath}.${time}`;
  await rename(logPath, aside);
  try {
    await runtime.reopenContainerLog(id);
  } catch (error) {
    // The container keeps writing to the file that it has open: it must get its name back.
    await rename(aside, logPath);
    throw error;
  }
  return true;
}

/** The oldest first: names end in their time. Remains of an interrupted compression are removed. */
async function rotatedFiles(logPath: string): Promise<string[]> {
  const folder = dirname(logPath);
  const prefix = `${basename(logPath)}.`;
  const paths: string[] = [];
  for (const name of (await readdir(folder)).filter((one) => one.startsWith(prefix)).sort()) {
    const path = join(folder, name);
    if (name.endsWith('.tmp')) await rm(path, { force: true });
    else paths.push(path);
  }
  return paths;
}

/** Whoever may not read the log may not read it packed either. */
async function pack(path: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const { mode } = await stat(path);
  await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary, { mode }));
  await rename(temporary, `${path}.gz`);
  await rm(path);
}
