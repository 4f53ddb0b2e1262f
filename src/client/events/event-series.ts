/**
 * Events of the newer style, as upstream's scheduler reports them: one says what is being done, and when it repeats it
 * becomes a series.
 */
import { RecentMap } from '../../base/collections/recent-map.ts';
import type { EventRecord, NewEvent } from './event-correlation.ts';
import type { EventTarget } from './event-recorder.ts';

/** What the reporter was doing. */
export interface EventAction {
  action: string;
  /** Another object that takes part in it. */
  related?: EventTarget;
}

/** An event that has not repeated for so long does not go on; a longer series is written so often. */
const seriesIntervalMs = 6 * 60_000;
const seriesRemembered = 4096;
const noteBytesMax = 1024;
const cutOff = ' ...';

export class SeriesHistory {
  readonly records = new RecentMap<EventRecord & { writtenMs: number }>(seriesRemembered);
}

/** Updates the history; returns what to write, or undefined when it was written a short while ago. */
export function correlateSeries(
  { records }: SeriesHistory,
  event: NewEvent & { doing: EventAction },
  nowMs: number,
  nameFor: () => string,
): EventRecord | undefined {
  const key = keyOf(event);
  const known = records.get(key);
  if (known && nowMs - known.lastMs <= seriesIntervalMs) {
    known.count++;
    known.lastMs = nowMs;
    // That there is a series is told at once.
    if (known.count > 2 && nowMs - known.writtenMs < seriesIntervalMs) return undefined;
    known.writtenMs = nowMs;
    return known;
  }
  const record = {
    ...event,
    message: shortened(event.message),
    name: nameFor(),
    count: 1,
    firstMs: nowMs,
    lastMs: nowMs,
    writtenMs: nowMs,
    stored: false,
  };
  records.set(key, record);
  return record;
}

/** Another version of the object is another event; other words about the same one are not. */
function keyOf({ component, type, reason, about, doing }: NewEvent & { doing: EventAction }): string {
  const objects = [about, doing.related].map((target) =>
    target
      ? [
          target.apiVersion,
          target.kind,
          target.namespace,
          target.name,
          target.uid,
          target.resourceVersion,
          target.fieldPath,
        ]
      : [],
  );
  return [component, type, reason, doing.action, ...objects.flat()].join(' ');
}

function shortened(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= noteBytesMax) return note;
  return `${bytes.toString('utf8', 0, noteBytesMax - cutOff.length).replace(/\uFFFD$/, '')}${cutOff}`;
}
