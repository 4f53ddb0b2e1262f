/**
 * How a long-running process ends: on a signal it stops in order and logs that; a defect ends it with a stack trace.
 */
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { releaseMemoryWhenIdle } from '../base/system/idle-memory.ts';

/** A process that does not stop in order within this is ended all the same. */
const stopLimitMs = 6000;

export async function runUntilSignalled(
  logger: Logger,
  work: (signal: AbortSignal) => Promise<void>,
  { keptFastMs = 0 }: { keptFastMs?: number } = {},
): Promise<void> {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(1);
    logger.info('stopping', { signal: name });
    stop.abort(new Error(`stopped by ${name}`));
    setTimeout(() => {
      logger.warn('not everything stopped in time', { limitMs: stopLimitMs });
      process.exit(1);
    }, stopLimitMs).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // A log that cannot grow (the disk is full) is no reason to end: the process may be the one that frees space.
  process.stderr.on('error', () => undefined);
  process.on('uncaughtException', (error) => {
    logger.error('the process ends by a defect', { error });
    process.exit(1);
  });
  releaseMemoryWhenIdle(systemClock, stop.signal, keptFastMs);
  try {
    await work(stop.signal);
    logger.info('stopped');
    process.exit(0);
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) process.exit(0);
    logger.error('the process cannot go on', { error });
    process.exit(1);
  }
}
