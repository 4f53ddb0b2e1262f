/** Runs one synchronisation at a time, again whenever something was touched meanwhile, and after a while when it failed. */
import { type BackoffOptions, backoffDelayMs } from '../base/backoff.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';

export interface SyncLoop {
  /** Something changed: a synchronisation that starts later than this call will follow. */
  touch(): void;
  /** Resolves when nothing is left to do, or the signal has aborted. */
  settled(): Promise<void>;
  /** Why the last synchronisation failed; undefined once one has succeeded. */
  problem(): string | undefined;
}

const retry: BackoffOptions = { firstMs: 100, maxMs: 10_000 };

/** `failure`: the log line of a synchronisation that threw. */
export function createSyncLoop(
  options: { clock: Clock; logger: Logger; failure: string; sync(): Promise<void> },
  signal: AbortSignal,
): SyncLoop {
  const { clock, logger, failure, sync } = options;
  let touched = false;
  let running: Promise<void> | undefined;
  let problem: string | undefined;
  return {
    touch() {
      touched = true;
      running ??= runWhileTouched();
    },
    settled: async () => {
      await running;
    },
    problem: () => problem,
  };

  async function runWhileTouched(): Promise<void> {
    // Handlers of one batch of events run in one turn: let them all touch before the first synchronisation.
    await Promise.resolve();
    let failures = 0;
    while (touched && !signal.aborted) {
      touched = false;
      try {
        await sync();
        failures = 0;
        problem = undefined;
      } catch (error) {
        touched = true;
        problem = `${failure}: ${(error as Error).message}`;
        logger.error(failure, { error });
        await pause(clock, backoffDelayMs(retry, failures++), signal);
      }
    }
    running = undefined;
  }
}
