/** Keeps the logs of running containers within bounds: a file that is full is put aside, old ones are packed, then dropped. */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Clock, pause } from '../../base/clock.ts';
import { ifMissing } from '../../base/if-missing.ts';
import type { Logger } from '../../base/logger.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';

export interface LogRotationOptions {
  runtime: Pick<ContainerRuntime, 'reopenContainerLog'>;
  clock: Clock;
  logger: Logger;
  /** Containers that run, with their logs. */
  logs: () => Iterable<{ id: string; logPath: string }>;
  sizeMaxBytes: number;
  /** The file written to included. */
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
  if (!stats || stats.size < sizeMaxBytes) return false;
  const older = await rotatedFiles(logPath);
  // With the new one put aside and the one written to, filesMax files are left.
  for (const path of older.slice(0, Math.max(0, older.length - (filesMax - 2))))
    await rm(path, { force: true });
  for (const path of older.slice(-(filesMax - 2))) if (!path.endsWith('.gz')) await pack(path);
  const time = new Date(clock.now()).toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const aside = `${logPath}.${time}`;
  await rename(logPath, aside);
  try {
    await runtime.reopenContainerLog(id);
  } catch (error) {
    // The container goes on writing to the file it has: it must keep its name.
    await rename(aside, logPath);
    throw error;
  }
  return true;
}

/** The oldest first: names end in their time. */
async function rotatedFiles(logPath: string): Promise<string[]> {
  const folder = dirname(logPath);
  const prefix = `${basename(logPath)}.`;
  const names = (await readdir(folder)).filter((name) => name.startsWith(prefix) && !name.endsWith('.tmp'));
  return names.sort().map((name) => join(folder, name));
}

async function pack(path: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary));
  await rename(temporary, `${path}.gz`);
  await rm(path);
}
