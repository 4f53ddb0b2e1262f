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
/** Records of one kind that are remembered: those of the interval, and as many from before it. */
const recordsMax = 2 * alikeMax;
/** Kinds of events about one object that are remembered: the newest. */
const kindsMax = 128;
/**
 * Events of one type about one object: a burst, then one in five minutes. Types do not share it: news that repeats must
 * not hide the warnings.
 */
const burst = 25;
const refillMs = 300_000;
const objectsRemembered = 4096;

/** What is known of events, by component and object. */
export class EventHistory {
  readonly objects = new RecentMap<ObjectHistory>(objectsRemembered);
}

/** Events that one component reports about one object. Few of each: there are many objects, and lists are light. */
interface ObjectHistory {
  budgets: Partial<Record<EventType, Budget>>;
  kinds: AlikeEvents[];
}

interface Budget {
  tokens: number;
  atMs: number;
}

/** Events that differ in their message only. */
interface AlikeEvents extends Pick<NewEvent, 'type' | 'reason'> {
  fieldPath: string | undefined;
  /** Of the interval, each once. */
  messages: string[];
  lastMs: number;
  /** One for each message. */
  records: EventRecord[];
  /** Of all messages that were too many. */
  combined: EventRecord | undefined;
}

/** Updates the history; returns what to write, or undefined when the object has had too many events. */
export function correlateEvent(
  history: EventHistory,
  event: NewEvent,
  nowMs: number,
  nameFor: () => string,
): EventRecord | undefined {
  const object = objectHistory(history, event);
  const alike = alikeEvents(object, event);
  if (nowMs - alike.lastMs > alikeIntervalMs) alike.messages = [];
  if (!alike.messages.includes(event.message)) alike.messages.push(event.message);
  alike.lastMs = nowMs;

  const isCombined = alike.messages.length >= alikeMax;
  if (isCombined) alike.messages.shift();
  const message = isCombined ? `(combined from similar events): ${event.message}` : event.message;

  let record = isCombined ? alike.combined : alike.records.find((known) => known.message === message);
  if (record) {
    record.count++;
    record.lastMs = nowMs;
    record.message = message;
  } else {
    record = {
      ...event,
      message,
      name: nameFor(),
      count: 1,
      firstMs: nowMs,
      lastMs: nowMs,
      stored: false,
    };
    if (isCombined) alike.combined = record;
    else remember(alike.records, record, recordsMax);
  }
  return spend(object.budgets, event.type, nowMs) ? record : undefined;
}

function objectHistory({ objects }: EventHistory, { component, about }: NewEvent): ObjectHistory {
  const { kind, namespace = '', name, uid, apiVersion } = about;
  const key = `${uid} ${component} ${kind} ${namespace} ${name} ${apiVersion}`;
  const known = objects.get(key) ?? { budgets: {}, kinds: [] };
  objects.set(key, known);
  return known;
}

function alikeEvents({ kinds }: ObjectHistory, { about, type, reason }: NewEvent): AlikeEvents {
  const { fieldPath } = about;
  let alike = kinds.find(
    (known) => known.reason === reason && known.type === type && known.fieldPath === fieldPath,
  );
  if (!alike) {
    alike = { type, reason, fieldPath, messages: [], lastMs: 0, records: [], combined: undefined };
    remember(kinds, alike, kindsMax);
  }
  return alike;
}

/** The oldest gives way. */
function remember<Item>(items: Item[], item: Item, itemsMax: number): void {
  items.push(item);
  if (items.length > itemsMax) items.shift();
}

function spend(budgets: ObjectHistory['budgets'], type: EventType, nowMs: number): boolean {
  const budget = budgets[type] ?? { tokens: burst, atMs: nowMs };
  const tokens = Math.min(burst, budget.tokens + (nowMs - budget.atMs) / refillMs);
  const isAllowed = tokens >= 1;
  budgets[type] = { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs };
  return isAllowed;
}
