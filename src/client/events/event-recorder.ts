/** Events about objects: what `kubectl describe` shows. Similar events are counted and aggregated as upstream does. */
import { apiVersionOf, type KubeObject, type ResourceType } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../client.ts';
import { correlateEvent, EventHistory } from './event-correlation.ts';
import { EventQueue, waitingMax } from './event-queue.ts';
import { EventWriter } from './event-writer.ts';

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
  /** The same recorder for events with these annotations. */
  annotated(annotations: Record<string, string>): EventRecorder;
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

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { clock, logger, signal } = options;
  const history = new EventHistory();
  const writer = new EventWriter(options);
  const queue = new EventQueue({
    clock,
    signal,
    write: (record) => writer.write(record),
    onDropping: () => logger.warn('events are dropped: too many wait', { waitingMax }),
  });
  const recorderFor = (component: string, annotations: Record<string, string> = {}): EventRecorder => ({
    event(about, type, reason, message) {
      if (signal.aborted) return;
      const event = { component, about, type, reason, message, annotations };
      const record = correlateEvent(history, event, clock.now(), () => writer.newName(about.name));
      if (record) queue.add(record);
    },
    flushed: () => queue.idle(),
    for: (other) => recorderFor(other, annotations),
    annotated: (more) => recorderFor(component, more),
  });
  return recorderFor(options.component);
}
