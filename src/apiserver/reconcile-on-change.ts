/**
 * Work on objects that the server does by itself: repeated whenever an object of certain kinds changes, until it
 * succeeds.
 */
import type { KubeObject, ResourceType } from '../api/meta.ts';
import { backoffDelayMs } from '../base/async/backoff.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { KindRegistry } from './registry/kind-registry.ts';

export interface ReconcileOnChangeOptions {
  kinds: KindRegistry;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

const retry = { firstMs: 100, maxMs: 10_000 };

/**
 * Resolves once `reconcile` has been tried: a server starts without what cannot be written now. Repeats it until it
 * succeeds, and on changes, until the signal aborts. `what` is for the log.
 */
export async function reconcileOnChange(
  { kinds, clock, logger, signal }: ReconcileOnChangeOptions,
  watched: readonly ResourceType<KubeObject>[],
  what: string,
  reconcile: () => Promise<void>,
): Promise<void> {
  let isDirty = true;
  let isWorking = false;
  const tried = Promise.withResolvers<void>();
  const work = async () => {
    isDirty = true;
    if (isWorking) return;
    isWorking = true;
    for (let failures = 0; isDirty && !signal.aborted; ) {
      isDirty = false;
      try {
        await reconcile();
        failures = 0;
      } catch (error) {
        tried.resolve();
        if (signal.aborted) break;
        logger.warn(`${what} could not be written; it is tried again`, { error });
        isDirty = true;
        await pause(clock, backoffDelayMs(retry, failures++), signal);
      }
    }
    isWorking = false;
    tried.resolve();
  };
  for (const { group, plural } of watched) {
    const stop = kinds.findStored(group, plural)?.cache?.listen(() => void work());
    if (stop) signal.addEventListener('abort', stop, { once: true });
  }
  void work();
  await tried.promise;
}
