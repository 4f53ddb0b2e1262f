/** Events about objects: what `kubectl describe` shows. Alike events are counted and combined as upstream does it. */

import { apiVersionOf, type KubeObject, type ResourceType } from '../api/meta.ts';
import { Event } from '../api/resources.gen.ts';
import { StatusError } from '../api/status.ts';
import { backoffDelayMs } from '../base/backoff.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Client } from './client.ts';
import { correlateEvent, EventHistory, type EventRecord, type NewEvent } from './event-correlation.ts';

/** What an event is about. */
export interface EventTarget {
  apiVersion: string;
  kind: string;
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  /** Part of the object, e.g. `spec.containers{web}`. */
  fieldPath?: string;
}

export type EventType = 'Normal' | 'Warning';

export interface EventRecorder {
  /** Returns at once; the event is written later, and dropped when the server refuses it. */
  event(about: EventTarget, type: EventType, reason: string, message: string): void;
  /** Resolves when everything recorded so far is written or dropped. */
  flushed(): Promise<void>;
  /** The same recorder for another `source.component`. */
  for(component: string): EventRecorder;
}

export interface EventRecorderOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  /** `source.component`, e.g. `kubelet`. */
  component: string;
  /** `source.host`: the node, for those that run on one. */
  host?: string;
  signal: AbortSignal;
}

/** The reference to an object that events carry. */
export function targetOf(type: ResourceType, object: KubeObject, fieldPath?: string): EventTarget {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const reference: EventTarget = {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name,
    uid,
    resourceVersion,
  };
  if (namespace) reference.namespace = namespace;
  if (fieldPath) reference.fieldPath = fieldPath;
  return reference;
}

/** More events than this are not kept waiting for a server that is away or slow. */
const waitingMax = 20_000;
/** Beyond so many that wait, they are written whatever else there is to do: none should have to be dropped. */
const waitingPatientlyMax = 15_000;
const writesAtOnceMax = { whenBusy: 1, usually: 8, inHurry: 32 };
/** A turn of the event loop that lasts longer is one in which others had much to do. */
const busyTurnMs = 2;
const triesMax = 12;
const retryBackoff = { firstMs: 250, maxMs: 10_000 };

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, logger, host, signal } = options;
  const history = new EventHistory();
  /** Still to be written, in order; one that is told again meanwhile is written once, with its newest count. */
  const waiting = new Set<EventRecord>();
  const writing = new Set<EventRecord>();
  let onIdle: (() => void)[] = [];
  let isNextTurnAwaited = false;
  let isDropping = false;
  let isBusy = false;
  let lastName = 0n;

  function uniqueSuffix(): string {
    const nanoseconds = BigInt(Math.round(clock.now() * 1000)) * 1000n;
    lastName = nanoseconds > lastName ? nanoseconds : lastName + 1n;
    return lastName.toString(16);
  }

  async function write(record: EventRecord): Promise<void> {
    /** A try under this name ended without an answer: the server may have written it all the same. */
    let unclearName: string | undefined;
    for (let attempt = 0; attempt < triesMax && !signal.aborted; attempt++) {
      try {
        return await store(record);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof StatusError && error.reason === 'AlreadyExists') {
          if (record.name === unclearName) {
            record.stored = true;
            return;
          }
          record.name = `${record.about.name}.${uniqueSuffix()}`;
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

  async function store(record: EventRecord): Promise<void> {
    const namespace = record.about.namespace ?? 'default';
    if (record.stored) {
      const patch = {
        count: record.count,
        message: record.message,
        lastTimestamp: wholeSeconds(record.lastMs),
      };
      try {
        await client.patch(Event, { namespace, name: record.name }, patch, { type: 'strategic', signal });
        return;
      } catch (error) {
        if (!(error instanceof StatusError && error.code === 404)) throw error;
        record.name = `${record.about.name}.${uniqueSuffix()}`;
      }
    }
    await client.create(
      Event,
      {
        metadata: { name: record.name, namespace },
        involvedObject: record.about,
        reason: record.reason,
        message: record.message,
        source: { component: record.component, ...(host && { host }) },
        firstTimestamp: wholeSeconds(record.firstMs),
        lastTimestamp: wholeSeconds(record.lastMs),
        count: record.count,
        type: record.type,
        reportingComponent: record.component,
        reportingInstance: host ?? '',
      },
      { signal },
    );
    record.stored = true;
  }

  function enqueue(event: NewEvent): void {
    if (signal.aborted) return;
    const record = correlateEvent(history, event, clock.now(), () => `${event.about.name}.${uniqueSuffix()}`);
    if (!record || waiting.has(record)) return;
    if (waiting.size < waitingMax) {
      waiting.add(record);
      startWrites();
    } else if (!isDropping) {
      isDropping = true;
      logger.warn('events are dropped: too many wait', { waitingMax });
    }
  }

  function startWrites(): void {
    if (signal.aborted) waiting.clear();
    const atOnceMax = writesAtOnce();
    for (const record of waiting) {
      if (writing.size >= atOnceMax) break;
      // The next about the same event follows the one under way.
      if (writing.has(record)) continue;
      waiting.delete(record);
      writing.add(record);
      void write(record).finally(() => {
        writing.delete(record);
        awaitNextTurn();
      });
    }
    if (waiting.size > 0 || writing.size > 0) return;
    isDropping = false;
    for (const resolve of onIdle) resolve();
    onIdle = [];
  }

  function writesAtOnce(): number {
    if (waiting.size > waitingPatientlyMax) return writesAtOnceMax.inHurry;
    return isBusy ? writesAtOnceMax.whenBusy : writesAtOnceMax.usually;
  }

  /** Whatever else the process has to do comes before the events that wait: when it is busy its turns are long. */
  function awaitNextTurn(): void {
    if (isNextTurnAwaited) return;
    isNextTurnAwaited = true;
    const startMs = clock.monotonic();
    setImmediate(() => {
      isNextTurnAwaited = false;
      isBusy = clock.monotonic() - startMs > busyTurnMs;
      startWrites();
    });
  }

  const recorderFor = (component: string): EventRecorder => ({
    event: (about, type, reason, message) => enqueue({ component, about, type, reason, message }),
    flushed() {
      if (waiting.size === 0 && writing.size === 0) return Promise.resolve();
      return new Promise((resolve) => onIdle.push(resolve));
    },
    for: recorderFor,
  });
  return recorderFor(options.component);
}

let lastSecond = Number.NaN;
let lastText = '';

/** RFC 3339 without fractions, as Time fields are written. */
export function wholeSeconds(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== lastSecond) {
    lastText = `${new Date(second * 1000).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastText;
}
