/** The runtime's calls by which pods start; what is left of ended pods can wait for them. */
import { unlessAborted } from '../../base/async/unless-aborted.ts';
import type { Clock, Timer } from '../../base/clock.ts';

/** The calls for one pod follow each other with pauses, in which it still starts. */
const pauseMaxMs = 100;

export class PodStarts {
  readonly #clock: Clock;
  #underWay = 0;
  #pause: Timer | undefined;
  /** Settles when nothing starts any longer; undefined: nothing does. */
  #over: PromiseWithResolvers<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts the call until it has succeeded or failed. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    this.#pause?.cancel();
    this.#over ??= Promise.withResolvers();
    this.#underWay++;
    try {
      return await call();
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#pause = this.#clock.after(pauseMaxMs, () => this.#end());
    }
  }

  /** Resolves as soon as nothing starts, `limitMs` have passed or the signal aborts. */
  async over(limitMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#over) return;
    const enough = new AbortController();
    const timer = this.#clock.after(limitMs, () => enough.abort());
    try {
      await unlessAborted(this.#over.promise, AbortSignal.any([enough.signal, signal]));
    } finally {
      timer.cancel();
    }
  }

  #end(): void {
    this.#over?.resolve();
    this.#over = undefined;
  }
}
