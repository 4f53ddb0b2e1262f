/** Writes that a cluster may refuse for a while: its webhooks can be away, and be mended only while the server runs. */
import { StatusError } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';

const backoff = { firstMs: 1_000, maxMs: 60_000 };

/** Resolves when `write` has succeeded, or after the signal. What is no refusal is thrown. */
export async function untilWritten(
  write: () => Promise<void>,
  { clock, logger, signal }: { clock: Clock; logger: Logger; signal: AbortSignal },
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await write();
      return;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      logger.warn('objects of the cluster could not be written; it is tried again', { error });
    }
    await pause(clock, backoffDelayMs(backoff, attempt), signal);
  }
}
