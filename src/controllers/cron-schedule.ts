/** Cron schedules: when they are due. Five fields, names, steps, `@daily` and its kin, `@every`, and time zones. */

export interface CronSchedule {
  /** The first time strictly after `afterMs`; undefined when there is none within five years. */
  next(afterMs: number): number | undefined;
}

export class CronScheduleError extends Error {}

const descriptors: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const horizonYears = 5;

interface Fields {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  weekdays: ReadonlySet<number>;
  /** `*`: the other of the two day fields decides alone. */
  isEveryDay: boolean;
  isEveryWeekday: boolean;
}

/** `timeZone`: an IANA name; UTC when absent. @throws CronScheduleError */
export function parseCronSchedule(text: string, timeZone?: string): CronSchedule {
  const prefix = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(text.trim());
  const zone = offsetsOf(timeZone ?? prefix?.[1] ?? 'UTC');
  const spec = prefix?.[2] ?? text.trim();
  if (spec.startsWith('@every ')) return everySchedule(spec.slice('@every '.length));
  if (spec.startsWith('@') && !(spec in descriptors))
    throw new CronScheduleError(`unrecognized descriptor: ${spec}`);
  const fields = parseFields(descriptors[spec] ?? spec);
  return { next: (afterMs) => nextTime(fields, zone, afterMs) };
}

function everySchedule(text: string): CronSchedule {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text)
    throw new CronScheduleError(`failed to parse duration @every ${text}: time: invalid duration "${text}"`);
  const totalMs = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit!]!, 0);
  const periodMs = Math.max(1000, Math.floor(totalMs / 1000) * 1000);
  return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + periodMs };
}

function parseFields(spec: string): Fields {
  const parts = spec.split(/\s+/);
  if (parts.length !== 5)
    throw new CronScheduleError(`expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`);
  const [minutes = '', hours = '', days = '', months = '', weekdays = ''] = parts;
  const isEvery = (field: string) => /^[*?](\/1)?$/.test(field.split(',')[0] ?? '');
  return {
    minutes: parseField(minutes, 0, 59),
    hours: parseField(hours, 0, 23),
    days: parseField(days, 1, 31),
    months: parseField(months, 1, 12, monthNames, 1),
    weekdays: parseField(weekdays, 0, 6, dayNames, 0),
    isEveryDay: isEvery(days),
    isEveryWeekday: isEvery(weekdays),
  };
}

function parseField(
  field: string,
  min: number,
  max: number,
  names: readonly string[] = [],
  first = 0,
): Set<number> {
  const values = new Set<number>();
  const numberOf = (text: string) => {
    const named = names.indexOf(text.toLowerCase());
    if (named >= 0) return named + first;
    if (!/^\d+$/.test(text))
      throw new CronScheduleError(
        `failed to parse int from ${text}: strconv.Atoi: parsing "${text}": invalid syntax`,
      );
    return Number(text);
  };
  for (const part of field.split(',')) {
    const [range = '', stepText, ...more] = part.split('/');
    if (more.length > 0) throw new CronScheduleError(`too many slashes: ${part}`);
    const isWhole = range === '*' || range === '?';
    const [lowText = '', highText, ...rest] = isWhole ? [String(min), String(max)] : range.split('-');
    if (rest.length > 0) throw new CronScheduleError(`too many hyphens: ${part}`);
    const low = numberOf(lowText);
    const high = highText !== undefined ? numberOf(highText) : stepText === undefined ? low : max;
    const step = stepText === undefined ? 1 : numberOf(stepText);
    if (low < min) throw new CronScheduleError(`beginning of range (${low}) below minimum (${min}): ${part}`);
    if (high > max) throw new CronScheduleError(`end of range (${high}) above maximum (${max}): ${part}`);
    if (low > high)
      throw new CronScheduleError(`beginning of range (${low}) beyond end of range (${high}): ${part}`);
    if (step === 0) throw new CronScheduleError(`step of range should be a positive number: ${part}`);
    for (let value = low; value <= high; value += step) values.add(value);
  }
  return values;
}

/** Milliseconds that a zone's wall clock is ahead of UTC at an instant. */
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
    throw new CronScheduleError(`unknown time zone ${timeZone}`, { cause: error });
  }
  return (instantMs) => {
    const parts = Object.fromEntries(
      format.formatToParts(instantMs).map(({ type, value }) => [type, Number(value)]),
    );
    const wall = Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour, parts.minute, parts.second);
    return wall - Math.floor(instantMs / 1000) * 1000;
  };
}

/** Walks the wall clock, which is treated as if it were UTC; hours that a zone leaps over are never due. */
function nextTime(fields: Fields, offsetAt: OffsetAt, afterMs: number): number | undefined {
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

function nextWall(fields: Fields, fromMs: number, endMs: number): number | undefined {
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

/** With both day fields given, either is enough; with one, it alone decides. */
function isDayDue(fields: Fields, date: Date): boolean {
  const day = fields.days.has(date.getUTCDate());
  const weekday = fields.weekdays.has(date.getUTCDay());
  return fields.isEveryDay || fields.isEveryWeekday ? day && weekday : day || weekday;
}
