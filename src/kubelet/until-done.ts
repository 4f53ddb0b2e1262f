/**
 * Steps of the start that need the runtime or the machine: containerd may start after the agent, or restart meanwhile.
 */
import { backoffDelayMs } from '../base/async/backoff.ts';
import type { KubeletContext } from './context.ts';

const retry = { firstMs: 50, maxMs: 2_000 };

/** Retries until it succeeds; rejects only once the signal is aborted. */
export async function untilDone<T>(
  { clock, logger, signal }: Pick<KubeletContext, 'clock' | 'logger' | 'signal'>,
  complaint: string,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      logger.warn(complaint, { error });
      await clock.sleep(backoffDelayMs(retry, Math.min(attempt, 8)), signal);
    }
  }
}
