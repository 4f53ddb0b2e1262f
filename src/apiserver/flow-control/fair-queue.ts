/**
 * How many requests are worked on at once, shared fairly: who sends many waits behind itself, not before others. A flow is one
 * caller; when all places are taken its requests wait in its own short queue, and places go round the flows in turn.
 */
import { tooManyRequests } from '../../api/status.ts';

export interface FairQueueLimits {
  /** Requests at work at once. */
  seats: number;
  /** Requests of one flow that may wait. */
  waitingPerFlow: number;
  /** Requests of all flows that may wait. */
  waiting: number;
}

/** What upstream allows by default, reads and writes together. */
export const defaultLimits: FairQueueLimits = { seats: 600, waitingPerFlow: 200, waiting: 4_000 };

const retryAfterSeconds = 1;

interface Waiting {
  admit(): void;
}

export class FairQueue {
  readonly #limits: FairQueueLimits;
  #taken = 0;
  #waitingCount = 0;
  /** Flows with waiting requests, in the order in which they get their turn. */
  readonly #flows = new Map<string, Waiting[]>();

  constructor(limits: FairQueueLimits = defaultLimits) {
    this.#limits = limits;
  }

  get taken(): number {
    return this.#taken;
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  /**
   * Takes a seat at once when there is one; otherwise gives a promise of one.
   * @throws StatusError 429 when the queues are full; the promise rejects when the client goes away.
   */
  enter(flow: string, signal: AbortSignal): Promise<void> | undefined {
    if (this.#taken < this.#limits.seats) {
      this.#taken++;
      return undefined;
    }
    const queue = this.#flows.get(flow) ?? [];
    if (queue.length >= this.#limits.waitingPerFlow || this.#waitingCount >= this.#limits.waiting) {
      throw tooManyRequests('Too many requests, please try again later.', retryAfterSeconds);
    }
    return this.#wait(flow, queue, signal);
  }

  /** Gives the seat to the next flow in turn. */
  leave(): void {
    const next = this.#flows.entries().next().value;
    if (!next) {
      this.#taken--;
      return;
    }
    const [flow, queue] = next;
    const waiting = queue.shift()!;
    this.#waitingCount--;
    this.#flows.delete(flow);
    if (queue.length > 0) this.#flows.set(flow, queue);
    waiting.admit();
  }

  #wait(flow: string, queue: Waiting[], signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        admit: () => {
          signal.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      const giveUp = () => {
        const at = queue.indexOf(waiting);
        if (at < 0) return;
        queue.splice(at, 1);
        this.#waitingCount--;
        if (queue.length === 0) this.#flows.delete(flow);
        reject(signal.reason);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      queue.push(waiting);
      this.#waitingCount++;
      this.#flows.set(flow, queue);
    });
  }
}
