/** Writes one event: a new one is created, an existing one patched, and both are retried for a while. */
import { Event } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { isAlreadyExists, isNotFound, StatusError } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../client.ts';
import type { EventRecord } from './event-correlation.ts';

const triesMax = 12;
const retryBackoff = { firstMs: 250, maxMs: 10_000 };

export interface EventWriterOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  /** `source.host`. */
  host?: string;
  signal: AbortSignal;
}

export class EventWriter {
  readonly #options: EventWriterOptions;
  #lastSuffix = 0n;

  constructor(options: EventWriterOptions) {
    this.#options = options;
  }

  /** The object's name and the time in nanoseconds, as upstream names events. */
  newName(objectName: string): string {
    const nanoseconds = BigInt(Math.round(this.#options.clock.now() * 1000)) * 1000n;
    this.#lastSuffix = nanoseconds > this.#lastSuffix ? nanoseconds : this.#lastSuffix + 1n;
    return `${objectName}.${this.#lastSuffix.toString(16)}`;
  }

  /** Never rejects: an event that the server refuses, or does not accept for long, is dropped and logged. */
  async write(record: EventRecord): Promise<void> {
    const { clock, logger, signal } = this.#options;
    /** A try under this name ended without an answer: the server may have written it all the same. */
    let unclearName: string | undefined;
    for (let attempt = 0; attempt < triesMax && !signal.aborted; attempt++) {
      try {
        return await this.#store(record);
      } catch (error) {
        if (signal.aborted) return;
        if (isAlreadyExists(error)) {
          if (record.name === unclearName) {
            record.stored = true;
            return;
          }
          record.name = this.newName(record.about.name);
          continue;
        }
        if (error instanceof StatusError && error.code < 500 && error.code !== 429) {
          logger.debug('an event was refused', { reason: record.reason, error });
          return;
        }
        unclearName = record.name;
        await pause(clock, backoffDelayMs(retryBackoff, attempt), signal);
      }
    }
    if (!signal.aborted) logger.warn('an event was dropped', { reason: record.reason });
  }

  async #store(record: EventRecord): Promise<void> {
    if (record.stored) {
      try {
        return await this.#patch(record);
      } catch (error) {
        if (!isNotFound(error)) throw error;
        record.name = this.newName(record.about.name);
      }
    }
    await this.#create(record);
    record.stored = true;
  }

  async #patch(record: EventRecord): Promise<void> {
    const { client, signal } = this.#options;
    const { count, message, lastMs, name } = record;
    const patch = { count, message, lastTimestamp: formatTime(lastMs) };
    const at = { namespace: namespaceOf(record), name };
    await client.patch(Event, at, patch, { type: 'strategic', signal });
  }

  async #create(record: EventRecord): Promise<void> {
    const { annotations = {} } = record;
    const { client, host, signal } = this.#options;
    await client.create(
      Event,
      {
        metadata: {
          name: record.name,
          namespace: namespaceOf(record),
          ...(Object.keys(annotations).length > 0 && { annotations }),
        },
        involvedObject: record.about,
        reason: record.reason,
        message: record.message,
        source: { component: record.component, ...(host && { host }) },
        firstTimestamp: formatTime(record.firstMs),
        lastTimestamp: formatTime(record.lastMs),
        count: record.count,
        type: record.type,
        reportingComponent: record.component,
        reportingInstance: host ?? '',
      },
      { signal },
    );
  }
}

/** Events about objects without a namespace are in the default one. */
function namespaceOf({ about }: EventRecord): string {
  return about.namespace ?? 'default';
}
