/** Keeps a sink up to date with one collection of a server: list, watch, and list again when the watch is lost. */

import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import { type BackoffOptions, backoffDelayMs } from '../../base/async/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../client.ts';

/** Where the state of a collection goes. Calls come in the server's order. */
export interface ReflectorSink<T extends KubeObject> {
  /** The whole collection as of `resourceVersion`: what is not in `items` is gone. */
  replace(items: readonly T[], resourceVersion: string): void;
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void;
  /** Everything up to `resourceVersion` was delivered, though it changed nothing here. */
  progressed(resourceVersion: string): void;
}

export interface CollectionFilter {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  metadataOnly?: boolean;
}

export interface ReflectorOptions<T extends KubeObject> {
  client: Client;
  type: ResourceType<T>;
  filter?: CollectionFilter;
  clock: Clock;
  random: Random;
  logger: Logger;
  signal: AbortSignal;
}

const retryBackoff: BackoffOptions = { firstMs: 100, maxMs: 30_000 };
/** Objects per page of a list: bounds what one answer holds in memory, and how long a server of this process reads. */
const pageSize = 1_000;
/** A watch that ends sooner without an event counts as failed, so that a broken server is not hammered. */
const shortestWatchMs = 1_000;
const watchTimeoutSecondsMin = 300;

/** Runs until the signal aborts; never rejects. */
export async function runReflector<T extends KubeObject>(
  options: ReflectorOptions<T>,
  sink: ReflectorSink<T>,
): Promise<void> {
  const { client, clock, random, logger, signal, type } = options;
  let resourceVersion: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    let advanced = false;
    const startedMs = clock.monotonic();
    try {
      if (resourceVersion === undefined) resourceVersion = await listInto(options, sink);
      for await (const event of openWatch(options, resourceVersion)) {
        advanced = true;
        failures = 0;
        resourceVersion = event.object.metadata.resourceVersion;
        if (event.type === 'BOOKMARK') sink.progressed(resourceVersion);
        else sink.apply(event.type, event.object);
      }
      if (advanced || clock.monotonic() - startedMs >= shortestWatchMs) continue;
    } catch (error) {
      if (signal.aborted) return;
      if (isExpired(error)) {
        resourceVersion = undefined;
        if (failures++ === 0) continue;
      } else {
        logger.debug('list or watch failed', { resource: type.plural, group: type.group, error });
      }
    }
    const delayMs = backoffDelayMs(retryBackoff, failures++) * (1 + random.next());
    if (await client.reachability.pause(clock, delayMs, signal)) failures = 0;
  }
}

async function listInto<T extends KubeObject>(
  options: ReflectorOptions<T>,
  sink: ReflectorSink<T>,
): Promise<string> {
  const { client, type, filter, signal } = options;
  const items: T[] = [];
  let continueToken: string | undefined;
  for (;;) {
    const page = await client.list(type, { ...filter, limit: pageSize, continue: continueToken }, signal);
    for (const item of page.items) items.push(item);
    continueToken = page.metadata.continue;
    if (continueToken) {
      // A server in this process answers at once: other work gets its turn between the pages.
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    const resourceVersion = page.metadata.resourceVersion ?? '';
    sink.replace(items, resourceVersion);
    return resourceVersion;
  }
}

function openWatch<T extends KubeObject>(options: ReflectorOptions<T>, resourceVersion: string) {
  const { client, type, filter, signal, random } = options;
  // Spread, so that not all of a component's watches end in the same second.
  const timeoutSeconds = Math.round(watchTimeoutSecondsMin * (1 + random.next()));
  const query = { ...filter, resourceVersion, allowWatchBookmarks: true, timeoutSeconds };
  return client.watch(type, query, signal);
}

/** The server no longer keeps the history that was asked for: only a new list helps. */
function isExpired(error: unknown): boolean {
  return error instanceof StatusError && error.code === 410;
}
