/** A queue of keys: each is in it at most once, and is never handed to two workers at the same time. */
import { backoffDelayMs } from '../../base/async/backoff.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { type QueueMetrics, queueMetricsOf } from './queue-metrics.ts';

export interface WorkQueueOptions {
  /** Label of the queue's metrics. */
  name: string;
  clock: Clock;
  metrics?: MetricsRegistry;
  /** Delays of {@link WorkQueue.retry}; upstream's 5 ms … 1000 s when absent. */
  backoff?: { firstMs: number; maxMs: number };
}

const defaultBackoff = { firstMs: 5, maxMs: 1_000_000 };

export class WorkQueue {
  readonly #clock: Clock;
  readonly #backoff: { firstMs: number; maxMs: number };
  readonly #metrics: QueueMetrics | undefined;
  /** Keys that wait, with the time at which they came; in order of arrival. */
  readonly #waiting = new Map<string, number>();
  /** Keys at work, with the time of their start. */
  readonly #running = new Map<string, number>();
  /** Keys that came again while at work. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { dueMs: number; timer: Timer }>();
  readonly #failures = new Map<string, { count: number; retryMs: number }>();
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#backoff = options.backoff ?? defaultBackoff;
    const state = () => ({
      depth: this.#waiting.size,
      running: [...this.#running.values()].map((start) => (this.#clock.monotonic() - start) / 1000),
    });
    this.#metrics = options.metrics && queueMetricsOf(options.metrics).register(options.name, state);
  }

  get length(): number {
    return this.#waiting.size;
  }

  /** Nothing waits, runs, or is due at a later time. */
  get isIdle(): boolean {
    return this.#waiting.size + this.#running.size + this.#delayed.size === 0;
  }

  add(key: string): void {
    if (this.#closed || this.#waiting.has(key) || this.#again.has(key)) return;
    this.#metrics?.adds.add(1);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#push(key);
  }

  /** Adds the key later; of several times asked for, the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const dueMs = this.#clock.monotonic() + delayMs;
    const present = this.#delayed.get(key);
    if (present && present.dueMs <= dueMs) return;
    present?.timer.cancel();
    const timer = this.#clock.after(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, timer });
  }

  /**
   * Adds the key after a delay that grows with each call until {@link WorkQueue.forget}. A key that fails while it waits
   * for its retry, because an event brought it sooner, keeps that retry: many events in a short time must not put it off
   * for long.
   */
  retry(key: string): void {
    this.#metrics?.retries.add(1);
    const nowMs = this.#clock.monotonic();
    const { count, retryMs } = this.#failures.get(key) ?? { count: 0, retryMs: nowMs };
    const delayMs = nowMs < retryMs ? retryMs - nowMs : backoffDelayMs(this.#backoff, count);
    this.#failures.set(key, { count: nowMs < retryMs ? count : count + 1, retryMs: nowMs + delayMs });
    this.addAfter(key, delayMs);
  }

  failuresOf(key: string): number {
    return this.#failures.get(key)?.count ?? 0;
  }

  /** The key succeeded: its next failure is its first. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, or undefined when none waits. The caller must call {@link WorkQueue.done} for it. */
  take(): string | undefined {
    const next = this.#waiting.entries().next();
    if (next.done) return undefined;
    const [key, addedMs] = next.value;
    const nowMs = this.#clock.monotonic();
    this.#waiting.delete(key);
    this.#running.set(key, nowMs);
    this.#metrics?.queueDuration.observe((nowMs - addedMs) / 1000);
    return key;
  }

  done(key: string): void {
    const startMs = this.#running.get(key);
    if (startMs === undefined) return;
    this.#running.delete(key);
    this.#metrics?.workDuration.observe((this.#clock.monotonic() - startMs) / 1000);
    if (this.#again.delete(key) && !this.#closed) this.#push(key);
  }

  /** Resolves when a key waits, or the queue is closed. */
  async ready(): Promise<void> {
    while (this.#waiting.size === 0 && !this.#closed) {
      const wake = Promise.withResolvers<void>();
      const earlier = this.#wake;
      this.#wake = () => {
        wake.resolve();
        earlier?.();
      };
      await wake.promise;
    }
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Drops what waits and takes nothing more. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#again.clear();
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#metrics?.unregister();
    this.#awake();
  }

  #push(key: string): void {
    this.#waiting.set(key, this.#clock.monotonic());
    this.#awake();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/**
 * Runs `work` on the queue's keys, `concurrency` at a time, until the signal aborts. `work` must not reject.
 * Resolves when the last of them has ended.
 */
export async function runWorkers(
  queue: WorkQueue,
  concurrency: number,
  work: (key: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const close = () => queue.close();
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  const running = new Set<Promise<void>>();
  // Not a race of those that run: one that runs long would remember every race.
  let ended = Promise.withResolvers<void>();
  while (!queue.isClosed) {
    await queue.ready();
    while (running.size < concurrency) {
      const key = queue.take();
      if (key === undefined) break;
      const task = work(key).finally(() => {
        queue.done(key);
        running.delete(task);
        ended.resolve();
      });
      running.add(task);
    }
    if (running.size < concurrency) continue;
    ended = Promise.withResolvers();
    await ended.promise;
  }
  await Promise.all(running);
}
