/** Event correlation by upstream's rules: a new event is written, counted, aggregated with similar ones, or dropped. */
import { RecentMap } from '../../base/collections/recent-map.ts';
import type { EventTarget, EventType } from './event-recorder.ts';

export interface NewEvent {
  /** The component that reports it. */
  component: string;
  about: EventTarget;
  type: EventType;
  reason: string;
  message: string;
  /** Of the event itself. */
  annotations?: Record<string, string>;
}

/** One Event object, as it is or should be. */
export interface EventRecord extends NewEvent {
  key: string;
  name: string;
  count: number;
  firstMs: number;
  lastMs: number;
  /** The server has it. */
  stored: boolean;
}

/**
 * How many different messages of one kind within the interval are written separately; further ones are combined into
 * one event.
 */
const alikeMax = 10;
const alikeIntervalMs = 600_000;
/**
 * Events of one type about one object: a burst, then one in five minutes. Types do not share it: news that repeats must
 * not hide the warnings.
 */
const burst = 25;
const refillMs = 300_000;
const remembered = 4096;

export class EventHistory {
  readonly records = new RecentMap<EventRecord>(remembered);
  readonly alike = new RecentMap<{ messages: Set<string>; lastMs: number }>(remembered);
  readonly budgets = new RecentMap<{ tokens: number; atMs: number }>(remembered);
}

/** Updates the history; returns what to write, or undefined when the object has had too many events. */
export function correlateEvent(
  history: EventHistory,
  event: NewEvent,
  nowMs: number,
  nameFor: () => string,
): EventRecord | undefined {
  const { about, type, reason } = event;
  const objectKey = [
    event.component,
    about.kind,
    about.namespace,
    about.name,
    about.uid,
    about.apiVersion,
  ].join(' ');
  const alikeKey = [objectKey, about.fieldPath, type, reason].join(' ');

  let alike = history.alike.get(alikeKey);
  if (!alike || nowMs - alike.lastMs > alikeIntervalMs) alike = { messages: new Set(), lastMs: nowMs };
  alike.messages.add(event.message);
  alike.lastMs = nowMs;
  history.alike.set(alikeKey, alike);

  const isCombined = alike.messages.size >= alikeMax;
  if (isCombined) alike.messages.delete(alike.messages.values().next().value!);
  const message = isCombined ? `(combined from similar events): ${event.message}` : event.message;
  const key = isCombined ? alikeKey : `${alikeKey} ${message}`;

  let record = history.records.get(key);
  if (record) {
    record.count++;
    record.lastMs = nowMs;
    record.message = message;
  } else {
    record = {
      ...event,
      message,
      key,
      name: nameFor(),
      count: 1,
      firstMs: nowMs,
      lastMs: nowMs,
      stored: false,
    };
  }
  history.records.set(key, record);
  return spend(history, `${objectKey} ${type}`, nowMs) ? record : undefined;
}

function spend(history: EventHistory, key: string, nowMs: number): boolean {
  const budget = history.budgets.get(key) ?? { tokens: burst, atMs: nowMs };
  const tokens = Math.min(burst, budget.tokens + (nowMs - budget.atMs) / refillMs);
  const isAllowed = tokens >= 1;
  history.budgets.set(key, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
  return isAllowed;
}
