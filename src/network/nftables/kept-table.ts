/**
 * Notices when something else removes or flushes a table of the node's kernel, and has it made again: a firewall that is
 * reloaded begins with `nft flush ruleset`. Of upstream's proxies, the one for iptables has a chain of its own to notice it by.
 */
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { RunCommand } from '../command.ts';
import { hasTable, isFlushed } from './nft.ts';

/** Upstream's. */
const lookMs = 30_000;

export interface KeptTable {
  /** Of family `ip`. */
  name: string;
  /** Whether there should be one at present. */
  isWanted(): boolean;
  /** Makes it again, now that there is none, or starts to. */
  restore(): Promise<void> | void;
  clock: Clock;
  logger: Logger;
  run: RunCommand;
}

/** Until `signal` aborts. */
export async function keepTable(table: KeptTable, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(table.clock, lookMs, signal);
    if (!signal.aborted && table.isWanted()) await restoreIfGone(table);
  }
}

async function restoreIfGone({ name, restore, logger, run }: KeptTable): Promise<void> {
  try {
    const isThere = await hasTable(run, name);
    if (isThere && !(await isFlushed(run, name))) return;
    logger.warn('a table of the kernel was removed or flushed, and is made again', { table: name });
    // What is left of it would be taken for all of it.
    if (isThere) await run('nft', ['delete', 'table', 'ip', name]);
    await restore();
  } catch (error) {
    logger.warn('a table of the kernel could not be looked after; the next look follows soon', {
      table: name,
      error,
    });
  }
}
