/** The requests of one priority level: those at work, and those that wait in its queues, each flow in its own few. */
import type { LimitedPriorityLevelConfiguration } from '../../api/types/flowcontrol-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { RequestInfo, UserInfo } from '../request.ts';
import type { SeatDemand } from './demand.ts';
import { RetryAfter } from './retry-after.ts';
import type { SeatLimits, SeatPool, SeatTaker } from './seats.ts';
import { dealHand } from './shuffle-shard.ts';
import type { Aftermath } from './work.ts';

/** Why a request is refused, as upstream's metrics call it. */
export type Refusal = 'concurrency-limit' | 'queue-full' | 'time-out' | 'cancelled';

/** What a request that cannot be admitted gets instead of seats. */
export class RefusedError extends Error {
  readonly reason: Refusal;
  /** When the client should ask again. */
  retryAfterSeconds = 1;

  constructor(reason: Refusal) {
    super(`refused: ${reason}`);
    this.reason = reason;
  }
}

/** A request that waits or executes, with what is reported about it. */
export interface Admission {
  seats: number;
  /** Of those that it needs now and after its end, {@link seats} are the more; absent when nothing comes after it. */
  aftermath?: Aftermath;
  schema: string;
  /** What distinguishes the flows of the schema. */
  distinguisher: string;
  user: Pick<UserInfo, 'name'>;
  info: RequestInfo;
  arrivedMs: number;
  /** Undefined while it waits. */
  startedMs?: number;
}

export interface QueueFacts {
  waiting: readonly Admission[];
  executing: readonly Admission[];
  served: number;
}

interface Waiting {
  admission: Admission;
  /** Where it waits now: new settings deal out what waits again. */
  queue: Queue;
  admit(): void;
}

interface Queue {
  waiting: Waiting[];
  /** Seats that it was given since it last was empty, on the level's common scale: who had least goes next. */
  served: number;
}

export interface EnterOptions {
  flow: string;
  admission: Admission;
  /** Its signal is asked for only when the request has to wait. */
  client: { readonly signal: AbortSignal };
  /** The longest time to wait. */
  waitMs: number;
}

const queuesDefault = 64;
const handSizeDefault = 8;
const queueLengthDefault = 50;
/** One request takes at most this part of the level's own seats. */
const requestPartMax = 0.15;
/** Flows whose queues are remembered. */
const handsMax = 10_000;

export class PriorityLevel implements SeatTaker {
  readonly name: string;
  readonly #pool: SeatPool;
  readonly #clock: Clock;
  readonly demand: SeatDemand;
  readonly retryAfter: RetryAfter;
  limits: SeatLimits = { nominal: 0, lower: 0, upper: 0 };
  taken = 0;
  waitingCount = 0;
  /** Its configuration is gone: it ends with its last request. */
  isQuiescing = false;
  /** Its requests are never held back. */
  isExempt = false;
  /** False when requests that find no seat are refused; only those that waited before still do. */
  #mayWait = false;
  #queues: Queue[] = [];
  #handSize = handSizeDefault;
  #queueLengthMax = queueLengthDefault;
  #served = 0;
  readonly #hands = new Map<string, number[]>();
  /** Requests at work, with the queue that they came from or would have waited in. */
  readonly #working = new Map<Admission, Queue | undefined>();

  constructor(name: string, { pool, clock, demand }: { pool: SeatPool; clock: Clock; demand: SeatDemand }) {
    this.name = name;
    this.#pool = pool;
    this.#clock = clock;
    this.demand = demand;
    this.retryAfter = new RetryAfter(clock);
    pool.add(this);
  }

  /** Seats that the level may have now, with what others lend it. */
  get currentLimit(): number {
    return this.#pool.limitOf(this);
  }

  get isWaiting(): boolean {
    return this.waitingCount > 0;
  }

  /** Queues in which requests wait. */
  get activeQueues(): number {
    return this.#queues.filter(({ waiting }) => waiting.length > 0).length;
  }

  get executing(): number {
    return this.#working.size;
  }

  get queues(): QueueFacts[] {
    return this.#queues.map((queue) => ({
      waiting: queue.waiting.map(({ admission }) => admission),
      executing: this.#workingIn(queue),
      served: queue.served,
    }));
  }

  /** Executing requests outside of the present queues: exempt ones, and those of removed queues. */
  get queueless(): Admission[] {
    const queues = new Set<Queue | undefined>(this.#queues);
    return [...this.#working].filter(([, queue]) => !queues.has(queue)).map(([admission]) => admission);
  }

  #workingIn(queue: Queue): Admission[] {
    return [...this.#working].filter(([, other]) => other === queue).map(([admission]) => admission);
  }

  /** What one request may take, so that a few wide ones do not use up the level; without queues, as much as it asks for. */
  get seatsMax(): number {
    if (!this.#mayWait) return Number.POSITIVE_INFINITY;
    const { nominal } = this.limits;
    return Math.max(1, Math.min(Math.ceil(nominal * requestPartMax), Math.floor(nominal / this.#handSize)));
  }

  get isIdle(): boolean {
    return this.executing === 0 && this.waitingCount === 0;
  }

  /** Applies new limits and queues; waiting requests keep waiting. */
  configure(limited: LimitedPriorityLevelConfiguration | undefined, limits: SeatLimits): void {
    this.limits = limits;
    this.demand.nominal = Math.max(1, limits.nominal);
    this.isQuiescing = false;
    this.isExempt = limited === undefined;
    const response = limited?.limitResponse;
    const queuing = response?.queuing;
    const count = response?.type === 'Queue' ? (queuing?.queues ?? queuesDefault) : 0;
    this.#handSize = queuing?.handSize ?? handSizeDefault;
    this.#queueLengthMax = queuing?.queueLengthLimit ?? queueLengthDefault;
    this.#mayWait = count > 0;
    this.#hands.clear();
    if (count !== this.#queues.length) this.#dealOut(count);
  }

  /** Makes `count` queues, and shares out among them what waits; it has one left where there are to be none. */
  #dealOut(count: number): void {
    const waiting = this.#queues.flatMap((queue) => queue.waiting);
    this.#queues = Array.from({ length: Math.max(count, waiting.length > 0 ? 1 : 0) }, () => ({
      waiting: [],
      served: this.#served,
    }));
    for (const [index, entry] of waiting.entries()) {
      entry.queue = this.#queues[index % this.#queues.length]!;
      entry.queue.waiting.push(entry);
    }
  }

  /**
   * Takes the seats at once when possible; otherwise returns a promise of them, which rejects with a {@link
   * RefusedError}.
   * @throws RefusedError when it cannot even wait
   */
  enter(options: EnterOptions): Promise<void> | undefined {
    const { admission, flow } = options;
    const queue = this.#mayWait ? this.#queueFor(flow) : undefined;
    if (!this.isWaiting && this.#pool.mayTake(this, admission.seats)) {
      this.demand.add(seatsWanted(admission));
      this.#take(admission, queue);
      return undefined;
    }
    if (!queue) throw new RefusedError('concurrency-limit');
    if (options.client.signal.aborted) throw new RefusedError('cancelled');
    if (queue.waiting.length >= this.#queueLengthMax) throw new RefusedError('queue-full');
    return this.#wait(queue, options);
  }

  /** Of an exempt request, which takes no seats. */
  enterExempt(admission: Admission): void {
    this.demand.add(seatsWanted(admission));
    this.#take(admission, undefined);
  }

  /** Gives back what is more than `seats`. */
  shrink(admission: Admission, seats: number): void {
    const before = seatsWanted(admission);
    this.taken -= admission.seats - seats;
    admission.seats = seats;
    this.demand.add(seatsWanted(admission) - before);
    this.#pool.handOn();
  }

  /** Returns the seats. */
  leave(admission: Admission): void {
    this.taken -= admission.seats;
    this.demand.add(-seatsWanted(admission));
    this.#working.delete(admission);
    if (admission.seats > 0) this.#pool.handOn();
  }

  admitNext(): boolean {
    const queue = this.#nextQueue();
    const next = queue?.waiting[0];
    if (!queue || !next || !this.#pool.mayTake(this, next.admission.seats)) return false;
    queue.waiting.shift();
    this.waitingCount--;
    this.#served = queue.served;
    queue.served += next.admission.seats;
    this.#take(next.admission, queue);
    next.admit();
    return true;
  }

  #take(admission: Admission, queue: Queue | undefined): void {
    this.taken += admission.seats;
    admission.startedMs = this.#clock.now();
    this.#working.set(admission, queue);
  }

  /** The shortest queue of the flow's hand. */
  #queueFor(flow: string): Queue {
    let hand = this.#hands.get(flow);
    if (!hand) {
      if (this.#hands.size >= handsMax) this.#hands.clear();
      hand = dealHand(flow, this.#queues.length, this.#handSize);
      this.#hands.set(flow, hand);
    }
    let best = this.#queues[hand[0]!]!;
    for (const index of hand) {
      const queue = this.#queues[index]!;
      if (queue.waiting.length < best.waiting.length) best = queue;
    }
    return best;
  }

  #nextQueue(): Queue | undefined {
    let best: Queue | undefined;
    for (const queue of this.#queues)
      if (queue.waiting.length > 0 && (!best || queue.served < best.served)) best = queue;
    return best;
  }

  #wait(queue: Queue, { admission, client, waitMs }: EnterOptions): Promise<void> {
    const { signal } = client;
    return new Promise((resolve, reject) => {
      const stop = () => {
        timer.cancel();
        signal.removeEventListener('abort', cancelled);
      };
      const waiting: Waiting = {
        admission,
        queue,
        admit: () => {
          stop();
          resolve();
        },
      };
      const giveUp = (reason: Refusal) => {
        const { waiting: row } = waiting.queue;
        const at = row.indexOf(waiting);
        if (at < 0) return;
        row.splice(at, 1);
        this.waitingCount--;
        this.demand.add(-seatsWanted(admission));
        stop();
        reject(new RefusedError(reason));
      };
      const cancelled = () => giveUp('cancelled');
      const timer = this.#clock.after(waitMs, () => giveUp('time-out'));
      signal.addEventListener('abort', cancelled, { once: true });
      // A queue that was empty does not catch up on what it did not ask for.
      if (queue.waiting.length === 0) queue.served = Math.max(queue.served, this.#served);
      queue.waiting.push(waiting);
      this.waitingCount++;
      this.demand.add(seatsWanted(admission));
    });
  }
}

/** Exempt requests take none of those that are shared out, but keep the server as busy. */
function seatsWanted({ seats }: Admission): number {
  return Math.max(1, seats);
}
