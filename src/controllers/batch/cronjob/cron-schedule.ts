/** When cron schedules are due, in any time zone. */
import { type CronFields, parseCron } from '../../../api/batch/cron-schedule.ts';
import { type ZoneOffsets, zoneOffsets } from './zone-offsets.ts';

export interface CronSchedule {
  /** The first time strictly after `afterMs`; undefined when there is none within five years. */
  next(afterMs: number): number | undefined;
  /** The last time after `afterMs` and not after `untilMs`, without stepping through all times in between. */
  latest(afterMs: number, untilMs: number): number | undefined;
  /** The first time strictly after `nowMs` of those that follow from `fromMs`: periods are counted from there. */
  upcoming(fromMs: number, nowMs: number): number | undefined;
}

const horizonYears = 5;
const minuteMs = 60_000;
const dayMs = 86_400_000;

/** `timeZone`: an IANA name; UTC when absent. @throws CronError */
export function parseCronSchedule(text: string, timeZone?: string): CronSchedule {
  const prefix = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(text.trim());
  const zone = zoneOffsets(timeZone ?? prefix?.[1] ?? 'UTC');
  const cron = parseCron(prefix?.[2] ?? text.trim());
  if ('everyMs' in cron) return periodic(cron.everyMs);
  const next = (afterMs: number) => nextTime(cron, zone, afterMs);
  return {
    next,
    latest: (afterMs, untilMs) => bisectLatest(next, afterMs, untilMs),
    upcoming: (_fromMs, nowMs) => next(nowMs),
  };
}

/** Starts from whole seconds. */
function periodic(everyMs: number): CronSchedule {
  const next = (afterMs: number) => Math.floor(afterMs / 1000) * 1000 + everyMs;
  const latest = (afterMs: number, untilMs: number) => {
    const first = next(afterMs);
    return first > untilMs ? undefined : first + Math.floor((untilMs - first) / everyMs) * everyMs;
  };
  return { next, latest, upcoming: (fromMs, nowMs) => next(latest(fromMs, nowMs) ?? fromMs) };
}

function bisectLatest(next: CronSchedule['next'], afterMs: number, untilMs: number): number | undefined {
  let latest: number | undefined;
  let low = afterMs;
  let high = untilMs;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const due = next(middle);
    if (due !== undefined && due <= untilMs) {
      latest = due;
      low = due;
    } else high = middle;
  }
  return latest;
}

/** RFC 3339 as the zone's clocks show it, in whole seconds. @throws CronError */
export function formatInZone(instantMs: number, timeZone = 'UTC'): string {
  const offsetMs = zoneOffsets(timeZone).at(instantMs);
  const wall = new Date(instantMs + offsetMs).toISOString().slice(0, 19);
  if (offsetMs === 0) return `${wall}Z`;
  const minutes = Math.abs(offsetMs) / 60_000;
  const twoDigits = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return `${wall}${offsetMs < 0 ? '-' : '+'}${twoDigits(minutes / 60)}:${twoDigits(minutes % 60)}`;
}

/**
 * Follows the wall clock from one change of its offset to the next. As upstream does it, what a zone skips is never due,
 * and what it shows twice is due twice: otherwise a Job every hour would miss one when the clocks are set back.
 */
function nextTime(fields: CronFields, zone: ZoneOffsets, afterMs: number): number | undefined {
  const endMs = afterMs + horizonYears * 366 * dayMs;
  let fromMs = (Math.floor(afterMs / minuteMs) + 1) * minuteMs;
  while (fromMs <= endMs) {
    const offsetMs = zone.at(fromMs);
    const wallMs = nextWall(fields, Math.ceil((fromMs + offsetMs) / minuteMs) * minuteMs, endMs + offsetMs);
    const dueMs = wallMs === undefined ? endMs : wallMs - offsetMs;
    const changeMs = zone.nextChange(fromMs, dueMs);
    if (changeMs === undefined) return wallMs === undefined ? undefined : dueMs;
    fromMs = changeMs;
  }
  return undefined;
}

function nextWall(fields: CronFields, fromMs: number, endMs: number): number | undefined {
  const date = new Date(fromMs);
  while (date.getTime() <= endMs) {
    if (!fields.months.has(date.getUTCMonth() + 1)) {
      date.setUTCMonth(date.getUTCMonth() + 1, 1);
      date.setUTCHours(0, 0, 0, 0);
    } else if (!isDayDue(fields, date)) {
      date.setUTCDate(date.getUTCDate() + 1);
      date.setUTCHours(0, 0, 0, 0);
    } else if (!fields.hours.has(date.getUTCHours())) {
      date.setUTCHours(date.getUTCHours() + 1, 0, 0, 0);
    } else if (!fields.minutes.has(date.getUTCMinutes())) {
      date.setUTCMinutes(date.getUTCMinutes() + 1, 0, 0);
    } else return date.getTime();
  }
  return undefined;
}

/** With both day fields given, either is enough; with one, that one decides. */
function isDayDue(fields: CronFields, date: Date): boolean {
  const day = fields.daysOfMonth.has(date.getUTCDate());
  const weekday = fields.daysOfWeek.has(date.getUTCDay());
  return fields.anyDayOfMonth || fields.anyDayOfWeek ? day && weekday : day || weekday;
}
