/** Compacts the store: history older than five minutes is dropped. */
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Store } from '../storage/store.ts';

/** History that is kept for watches and lists of the past. */
const historyMs = 5 * 60 * 1000;

/** Forgets history that is older than {@link historyMs}. */
export function compactRegularly(store: Store, clock: Clock, logger: Logger): Timer {
  let timer: Timer;
  let target: number | undefined;
  const tick = async () => {
    try {
      const now = await store.currentRevision();
      if (target !== undefined) await store.compact(target);
      target = now;
    } catch (error) {
      logger.warn('history could not be compacted; the next round tries again', { error });
    }
  };
  const arm = () => {
    timer = clock.after(historyMs, () => {
      void tick();
      arm();
    });
  };
  arm();
  return { cancel: () => timer.cancel() };
}
