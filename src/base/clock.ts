/**
 * Time as a dependency: code that waits or takes timestamps gets a {@link Clock}, so that a whole cluster can run under
 * virtual time.
 */

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds on a scale that never jumps; only differences mean anything. */
  monotonic(): number;
  /** Calls `task` once after `delayMs`, unless the timer is cancelled first. Until then the process stays alive. */
  after(delayMs: number, task: () => void): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Timer {
  cancel(): void;
}

/** The longest delay that setTimeout accepts; longer ones fire at once in Node, so they are split into steps. */
const longestTimeoutMs = 2 ** 31 - 1;

/** The global is a getter, which costs as much as the reading. */
const { performance } = globalThis;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, task) {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number) => {
      const stepMs = Math.min(Math.max(leftMs, 0), longestTimeoutMs);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : task()), stepMs);
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
};

/** {@link Clock.sleep} in terms of {@link Clock.after}; for implementers of clocks. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Waits for `delayMs` or for the signal's end, whichever comes first: the caller asks the signal which it was. */
export function pause(clock: Pick<Clock, 'sleep'>, delayMs: number, signal: AbortSignal): Promise<void> {
  return clock.sleep(delayMs, signal).catch((reason: unknown) => {
    if (!signal.aborted) throw reason;
  });
}
