/**
 * How long a container that keeps failing must wait before it is restarted (CrashLoopBackOff), and an image before it
 * is pulled again.
 */
import type { Clock } from '../../base/clock.ts';

interface Entry {
  delayMs: number;
  updatedMs: number;
}

export interface WaitBackoffOptions {
  clock: Pick<Clock, 'now'>;
  firstMs?: number;
  maxMs?: number;
}

/** Upstream's figures: 10 s, doubled up to 5 minutes, forgotten after twice the maximum without a failure. */
export class WaitBackoff {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor({ clock, firstMs = 10_000, maxMs = 300_000 }: WaitBackoffOptions) {
    this.#clock = clock;
    this.#firstMs = Math.min(firstMs, maxMs);
    this.#maxMs = maxMs;
  }

  /** The whole delay in force for `key`. */
  delayMs(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** What is left of the delay after an event at `sinceMs`; 0 when the wait is over. */
  remainingMs(key: string, sinceMs: number): number {
    const entry = this.#entries.get(key);
    if (!entry || this.#isForgotten(entry, sinceMs)) return 0;
    // However the clock jumps, no wait is longer than the delay.
    return Math.min(entry.delayMs, Math.max(0, sinceMs + entry.delayMs - this.#clock.now()));
  }

  /** Records an attempt after the end at `sinceMs`: the next one waits longer. */
  next(key: string, sinceMs: number): void {
    const entry = this.#entries.get(key);
    const delayMs =
      !entry || this.#isForgotten(entry, sinceMs) ? this.#firstMs : Math.min(entry.delayMs * 2, this.#maxMs);
    this.#entries.set(key, { delayMs, updatedMs: this.#clock.now() });
  }

  /** Forgets every key that starts with `prefix`. */
  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  #isForgotten(entry: Entry, sinceMs: number): boolean {
    return sinceMs - entry.updatedMs > 2 * this.#maxMs;
  }
}
