/**
 * Keeps the logs of processes short while these run. They hold their logs open, to append to them: a long log is copied
 * and emptied, not moved. Lines written between the two are lost.
 */
import { copyFile, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { logAside, logBytesMax } from './process.ts';

const everyMs = 60_000;

/** Of a cluster's server and supervisor, and of its nodes' agents and runtimes. */
export async function logFoldersOf(cluster: ClusterFolder): Promise<string[]> {
  const nodes = await readdir(cluster.nodes).catch(ifMissing([]));
  return [cluster.logs, ...nodes.map((name) => cluster.node(name).logs)];
}

/** Until the signal aborts. */
export async function keepLogsShort(
  folders: () => Promise<readonly string[]>,
  { clock, logger, signal }: { clock: Clock; logger: Logger; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const folder of await folders()) await shortenLogs(folder);
    } catch (error) {
      logger.warn('a long log cannot be put aside', { error });
    }
    await pause(clock, everyMs, signal);
  }
}

/** What a folder's logs hold is put aside when it is much, and replaces what was put aside before. */
export async function shortenLogs(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(ifMissing([]))) {
    if (!name.endsWith('.log')) continue;
    const file = join(folder, name);
    const size = (await stat(file).catch(ifMissing(undefined)))?.size ?? 0;
    if (size <= logBytesMax) continue;
    await copyFile(file, logAside(file));
    await truncate(file);
  }
}
