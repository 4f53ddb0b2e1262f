/** Those who wait until a revision is reached. */
import type { Clock } from '../../base/clock.ts';

interface Waiter {
  revision: number;
  resolve: () => void;
  reject: (error: unknown) => void;
  /** To be called when it no longer waits; undefined where nothing else would end its wait. */
  forget: (() => void) | undefined;
}

export interface WaitOptions {
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export class RevisionWaiters {
  readonly #clock: Clock;
  #waiting: Waiter[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Resolves when {@link release} is called with `revision` or a later one; rejects with a TimeoutError after
   * `timeoutMs`, and with the signal's reason when it aborts first.
   */
  wait(revision: number, options: WaitOptions): Promise<void> {
    const { timeoutMs, signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { revision, resolve, reject, forget: undefined };
      // Every write waits for its own revision, and never gives up.
      if (timeoutMs !== undefined || signal) this.#letGiveUp(waiter, options);
      this.#waiting.push(waiter);
    });
  }

  #letGiveUp(waiter: Waiter, { timeoutMs, signal }: WaitOptions): void {
    const giveUp = (error: unknown) => {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      waiter.forget!();
      waiter.reject(error);
    };
    const late = () => new DOMException(`revision ${waiter.revision} was not reached`, 'TimeoutError');
    const timer = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, () => giveUp(late()));
    const onAbort = () => giveUp(signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    waiter.forget = () => {
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
  }

  release(reached: number): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (waiter.revision > reached) {
        this.#waiting.push(waiter);
        continue;
      }
      waiter.forget?.();
      waiter.resolve();
    }
  }

  rejectAll(reason: unknown): void {
    for (const waiter of this.#waiting.splice(0)) {
      waiter.forget?.();
      waiter.reject(reason);
    }
  }
}
