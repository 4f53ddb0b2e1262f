/** How far the clocks of a time zone are ahead of UTC, and when that changes. */
import { CronError } from '../../../api/batch/cron-schedule.ts';
import { RecentMap } from '../../../base/collections/recent-map.ts';

export interface ZoneOffsets {
  /** Milliseconds that the zone's wall clock is ahead of UTC at an instant. */
  at(instantMs: number): number;
  /** The first full minute after `fromMs` and not after `untilMs` at which another offset is in force. */
  nextChange(fromMs: number, untilMs: number): number | undefined;
}

const minuteMs = 60_000;
/** No zone changes its offset twice within a week. */
const weekMs = 7 * 86_400_000;
const weeksMax = 1_000;
const zonesMax = 100;

const utc: ZoneOffsets = { at: () => 0, nextChange: () => undefined };
const known = new RecentMap<ZoneOffsets>(zonesMax);

/** `timeZone`: an IANA name. @throws CronError */
export function zoneOffsets(timeZone: string): ZoneOffsets {
  if (['UTC', 'Etc/UTC', 'Local'].includes(timeZone)) return utc;
  const zone = known.get(timeZone) ?? byWeek(readOffsets(timeZone));
  known.set(timeZone, zone);
  return zone;
}

interface Week {
  /** At its start. */
  offsetMs: number;
  /** After its start, at its end at the latest. */
  change?: { atMs: number; offsetMs: number };
}

/** Reading an offset is slow, and a search for a rare date needs hundreds: what a week is like is remembered. */
function byWeek(read: (instantMs: number) => number): ZoneOffsets {
  const weeks = new RecentMap<Week>(weeksMax);
  const startOf = (instantMs: number) => Math.floor(instantMs / weekMs) * weekMs;
  const weekFrom = (startMs: number): Week => {
    const key = String(startMs);
    const week = weeks.get(key) ?? readWeek(read, startMs);
    weeks.set(key, week);
    return week;
  };
  return {
    at(instantMs) {
      const { offsetMs, change } = weekFrom(startOf(instantMs));
      return change && instantMs >= change.atMs ? change.offsetMs : offsetMs;
    },
    nextChange(fromMs, untilMs) {
      for (let startMs = startOf(fromMs); startMs < untilMs; startMs += weekMs) {
        const { change } = weekFrom(startMs);
        if (change && change.atMs > fromMs) return change.atMs <= untilMs ? change.atMs : undefined;
      }
      return undefined;
    },
  };
}

function readWeek(read: (instantMs: number) => number, startMs: number): Week {
  const offsetMs = read(startMs);
  let low = startMs;
  let high = startMs + weekMs;
  const later = read(high);
  if (later === offsetMs) return { offsetMs };
  while (high - low > minuteMs) {
    const middle = low + Math.floor((high - low) / 2 / minuteMs) * minuteMs;
    if (read(middle) === offsetMs) low = middle;
    else high = middle;
  }
  return { offsetMs, change: { atMs: high, offsetMs: later } };
}

/** @throws CronError */
function readOffsets(timeZone: string): (instantMs: number) => number {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
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
