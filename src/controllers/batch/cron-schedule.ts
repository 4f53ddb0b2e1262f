/** When cron schedules are due, in any time zone. */
import { CronError, type CronFields, parseCron } from '../../api/batch/cron-schedule.ts';

export interface CronSchedule {
  /** The first time strictly after `afterMs`; undefined when there is none within five years. */
  next(afterMs: number): number | undefined;
  /** The last time after `afterMs` and not after `untilMs`, without stepping through all times in between. */
  latest(afterMs: number, untilMs: number): number | undefined;
}

const horizonYears = 5;

/** `timeZone`: an IANA name; UTC when absent. @throws CronError */
export function parseCronSchedule(text: string, timeZone?: string): CronSchedule {
  const prefix = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(text.trim());
  const zone = offsetsOf(timeZone ?? prefix?.[1] ?? 'UTC');
  const cron = parseCron(prefix?.[2] ?? text.trim());
  if ('everyMs' in cron) return periodic(cron.everyMs);
  const next = (afterMs: number) => nextTime(cron, zone, afterMs);
  return { next, latest: (afterMs, untilMs) => bisectLatest(next, afterMs, untilMs) };
}

/** Starts from whole seconds. */
function periodic(everyMs: number): CronSchedule {
  const next = (afterMs: number) => Math.floor(afterMs / 1000) * 1000 + everyMs;
  return {
    next,
    latest(afterMs, untilMs) {
      const first = next(afterMs);
      return first > untilMs ? undefined : first + Math.floor((untilMs - first) / everyMs) * everyMs;
    },
  };
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
  const offsetMs = offsetsOf(timeZone)(instantMs);
  const wall = new Date(instantMs + offsetMs).toISOString().slice(0, 19);
  if (offsetMs === 0) return `${wall}Z`;
  const minutes = Math.abs(offsetMs) / 60_000;
  const twoDigits = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return `${wall}${offsetMs < 0 ? '-' : '+'}${twoDigits(minutes / 60)}:${twoDigits(minutes % 60)}`;
}

/** How many milliseconds a zone's wall clock is ahead of UTC at an instant. */
type OffsetAt = (instantMs: number) => number;

function offsetsOf(timeZone: string): OffsetAt {
  if (timeZone === 'UTC' || timeZone === 'Etc/UTC') return () => 0;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: timeZone === 'Local' ? 'UTC' : timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch (error) {
    throw new CronError(`unknown time zone ${timeZone}`, { cause: error });
  }
  return (instantMs) => {
    const parts = Object.fromEntries(
      format.formatToParts(instantMs).map(({ type, value }) => [type, Number(value)]),
    );
    const wall = Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour, parts.minute, parts.second);
    return wall - Math.floor(instantMs / 1000) * 1000;
  };
}

/** Walks along the wall clock, which is treated as if it were UTC; hours that a zone skips are never due. */
function nextTime(fields: CronFields, offsetAt: OffsetAt, afterMs: number): number | undefined {
  let wall = Math.floor((afterMs + offsetAt(afterMs)) / 60_000) * 60_000;
  const endMs = afterMs + horizonYears * 366 * 86_400_000;
  while (wall < endMs + 86_400_000) {
    const due = nextWall(fields, wall + 60_000, endMs + 86_400_000);
    if (due === undefined) return undefined;
    wall = due;
    const instant = instantOf(due, offsetAt);
    if (instant !== undefined && instant > afterMs) return instant;
  }
  return undefined;
}

/** The first instant at which the zone's clocks show `wall`; undefined when they never do. */
function instantOf(wall: number, offsetAt: OffsetAt): number | undefined {
  const dayMs = 86_400_000;
  const candidates = [offsetAt(wall - dayMs), offsetAt(wall + dayMs)]
    .map((offset) => wall - offset)
    .filter((instant) => instant + offsetAt(instant) === wall);
  return candidates.length > 0 ? Math.min(...candidates) : undefined;
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
