/** Waiting in tests for what other threads, processes or sockets bring about in real time. */
import { setTimeout } from 'node:timers/promises';

const lookMs = 5;

/** No limit of its own: the test's is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(lookMs);
}
