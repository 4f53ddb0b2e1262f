/** A clock that moves only when it is advanced, and fires timers in order: days of cluster time pass in milliseconds. */
import { type Clock, sleepOn, type Timer } from './clock.ts';

interface Pending {
  dueMs: number;
  order: number;
  task: () => void;
}

export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #jumpedMs = 0;
  #order = 0;
  /** Sorted by due time, then by order of arrival. */
  readonly #pending: Pending[] = [];

  /** `startMs`: the first instant, milliseconds since the Unix epoch. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#nowMs + this.#jumpedMs;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const entry: Pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, task };
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pending[middle]!.dueMs <= entry.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#pending.splice(low, 0, entry);
    return {
      cancel: () => {
        const index = this.#pending.indexOf(entry);
        if (index >= 0) this.#pending.splice(index, 1);
      },
    };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Sets the time of day forwards, or with a negative `byMs` back, as an operator does; no timer takes notice. */
  jump(byMs: number): void {
    this.#jumpedMs += byMs;
  }

  /** Time passes as for a process that is stopped: no timer fires, and what falls due is late. */
  stall(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** Moves on by `durationMs`, firing what falls due, and lets promises settle after every timer. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await settle();
    for (let next = this.#pending[0]; next && next.dueMs <= endMs; next = this.#pending[0]) {
      this.#pending.shift();
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.task();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /**
   * Moves on, timer by timer, until `condition` holds.
   * @throws when it does not hold after `limitMs` of virtual time.
   */
  async advanceUntil(condition: () => boolean | Promise<boolean>, limitMs = 600_000): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    await settle();
    while (!(await condition())) {
      const next = this.#pending[0];
      if (!next || next.dueMs > endMs)
        throw new Error(`condition does not hold after ${limitMs} ms of virtual time`);
      await this.advance(next.dueMs - this.#nowMs);
    }
  }
}

/** Lets everything that is ready run: a pass of the event loop, promises included. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
