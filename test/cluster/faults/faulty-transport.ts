/**
 * A bad connection: requests and answers get lost or are slow, watches break off, lag, and hold events back. All by a
 * seed.
 */

import type { Random } from '../../../src/base/random.ts';
import type { VirtualClock } from '../../../src/base/virtual-clock.ts';
import {
  type Transport,
  TransportError,
  type TransportEvent,
  type TransportRequest,
} from '../../../src/client/transport/transport.ts';

export interface FaultOptions {
  clock: VirtualClock;
  random: Random;
  /** How far watches lag behind at most. */
  lagMaxMs: number;
  /** Faults happen only while this says so. */
  isBad(): boolean;
}

/** Requests get lost in spells: in between, what takes many of them comes to its end. */
const spellMaxMs = 8_000;
const badSpell = 0.5;
/** Chances per request or event. */
const loseRequest = 0.05;
const loseAnswer = 0.05;
const slowRequest = 0.05;
const slowRequestMaxMs = 1_000;
const breakWatch = 0.02;
const holdEvent = 0.2;
const holdMaxMs = 3_000;
/** Of an event after which its watch lags by another time, which is none in half of the cases. */
const changeLag = 0.3;
/** Between two events of a watch that lags: what reads its cache sees every state in between. */
const betweenEventsMs = 1;

export function faultyTransport(transport: Transport, options: FaultOptions): Transport {
  const { clock, random } = options;
  const isBadSpell = spells(options);
  const happens = (chance: number) => isBadSpell() && random.next() < chance;
  return {
    async send(request) {
      if (happens(loseRequest)) throw new TransportError('the request was lost');
      if (happens(slowRequest)) await clock.sleep(random.next() * slowRequestMaxMs, request.signal);
      const broken = new AbortController();
      const response = await transport.send(isWatch(request) ? endedBy(request, broken.signal) : request);
      if ('events' in response)
        return { status: 200, events: faultyEvents(response.events, broken, options) };
      if (happens(loseAnswer)) throw new TransportError('the answer was lost');
      return response;
    },
    close: () => transport.close(),
  };
}

/** Whether a bad spell goes on. */
function spells({ clock, random, isBad }: FaultOptions): () => boolean {
  let endMs = 0;
  let isBadOne = false;
  return () => {
    const nowMs = clock.monotonic();
    if (isBad() && nowMs >= endMs) {
      isBadOne = random.next() < badSpell;
      endMs = nowMs + random.next() * spellMaxMs;
    }
    return isBad() && isBadOne;
  };
}

function isWatch({ path }: TransportRequest): boolean {
  return /[?&]watch=true/.test(path);
}

/** Also by `signal`: what broke off must not go on being sent. */
function endedBy(request: TransportRequest, signal: AbortSignal): TransportRequest {
  const own = request.signal;
  return { ...request, signal: own ? AbortSignal.any([own, signal]) : signal };
}

async function* faultyEvents(
  events: AsyncIterable<TransportEvent>,
  broken: AbortController,
  { clock, random, isBad, lagMaxMs }: FaultOptions,
): AsyncGenerator<TransportEvent> {
  const line = new DelayLine();
  let lagMs: number | undefined;
  let lastDueMs = 0;
  void line.fill(events, () => {
    if (!isBad()) lagMs = undefined;
    else if (lagMs === undefined || random.next() < changeLag)
      lagMs = random.next() < 0.5 ? 0 : random.next() * lagMaxMs;
    const nowMs = clock.monotonic();
    lastDueMs = lagMs ? Math.max(nowMs + lagMs, lastDueMs + betweenEventsMs) : Math.max(nowMs, lastDueMs);
    return lastDueMs;
  });
  try {
    for (let next = await line.next(); next; next = await line.next()) {
      if (isBad() && random.next() < breakWatch) throw new TransportError('the watch broke off');
      if (isBad() && random.next() < holdEvent) await clock.sleep(random.next() * holdMaxMs);
      const waitMs = next.dueMs - clock.monotonic();
      if (waitMs > 0) await clock.sleep(waitMs);
      yield next.event;
    }
  } finally {
    broken.abort(new TransportError('the watch broke off'));
  }
}

interface Delayed {
  event: TransportEvent;
  dueMs: number;
}

/** Takes events as they come, and gives them with the time at which each is due. */
class DelayLine {
  readonly #waiting: Delayed[] = [];
  #changed = Promise.withResolvers<void>();
  #end: { error?: unknown } | undefined;

  async fill(events: AsyncIterable<TransportEvent>, dueMs: () => number): Promise<void> {
    try {
      for await (const event of events) {
        this.#waiting.push({ event, dueMs: dueMs() });
        this.#changed.resolve();
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
    this.#changed.resolve();
  }

  /** Undefined at the end. @throws what ended the events */
  async next(): Promise<Delayed | undefined> {
    while (this.#waiting.length === 0 && !this.#end) {
      await this.#changed.promise;
      this.#changed = Promise.withResolvers();
    }
    const first = this.#waiting.shift();
    if (first || !this.#end) return first;
    if ('error' in this.#end) throw this.#end.error;
    return undefined;
  }
}
