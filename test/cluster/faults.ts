/** A bad connection: requests and answers get lost, watches break off, lag, and hold events back. All by a seed. */

import type { Random } from '../../src/base/random.ts';
import type { VirtualClock } from '../../src/base/virtual-clock.ts';
import {
  type Transport,
  TransportError,
  type TransportEvent,
  type TransportResponse,
} from '../../src/client/transport/transport.ts';

export interface FaultOptions {
  clock: VirtualClock;
  random: Random;
  /** Faults happen only while this says so. */
  isBad(): boolean;
}

/** Chances per request or event. */
const loseRequest = 0.03;
const loseAnswer = 0.03;
const breakWatch = 0.02;
const holdEvent = 0.2;
const longestHoldMs = 3_000;

export function faultyTransport(transport: Transport, options: FaultOptions): Transport {
  const { random, isBad } = options;
  const happens = (chance: number) => isBad() && random.next() < chance;
  return {
    async send(request) {
      if (happens(loseRequest)) throw new TransportError('the request was lost');
      const response = await transport.send(request);
      if ('events' in response) return { status: 200, events: faultyEvents(response, options) };
      if (happens(loseAnswer)) throw new TransportError('the answer was lost');
      return response;
    },
    close: () => transport.close(),
  };
}

async function* faultyEvents(
  response: Extract<TransportResponse, { events: unknown }>,
  { clock, random, isBad }: FaultOptions,
): AsyncGenerator<TransportEvent> {
  for await (const event of response.events) {
    if (isBad() && random.next() < breakWatch) throw new TransportError('the watch broke off');
    if (isBad() && random.next() < holdEvent) await clock.sleep(random.next() * longestHoldMs);
    yield event;
  }
}
