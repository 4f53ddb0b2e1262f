/**
 * Runs one synchronisation at a time: again whenever something was touched meanwhile, and after a delay when it failed.
 */
import { type BackoffOptions, backoffDelayMs } from '../base/async/backoff.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';

export interface SyncLoop {
  /** Something changed: a synchronisation that starts after this call will follow. */
  touch(): void;
  /** Resolves when nothing is left to do, or the signal has aborted. */
  settled(): Promise<void>;
  /** Why the last synchronisation failed; undefined once one has succeeded. */
  problem(): string | undefined;
}

const retry: BackoffOptions = { firstMs: 100, maxMs: 10_000 };

/** `failure`: the log message for a synchronisation that threw. */
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
    // All handlers of one batch of events run in one turn of the event loop: they may all touch before the
    // synchronisation starts.
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
