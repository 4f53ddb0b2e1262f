/** Points in time as the API writes them: RFC 3339 in UTC, in whole seconds or in microseconds. */

export interface TimeError {
  error: string;
}

const pattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;
const microPattern = /[.,]\d{6}(?:Z|[+-]\d\d:\d\d)$/;
/** All days but the 29th of February, for which the year counts. */
const canonicalPattern =
  /^\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** In UTC. */
const yearMax = 9999;

interface ParsedTime {
  /** Whole seconds since the epoch, in milliseconds. */
  secondsMs: number;
  /** Nine digits. */
  fraction: string;
}

let lastSecond = Number.NaN;
let lastTime = '';

/** As Time fields have it: `2006-01-02T15:04:05Z`. */
export function formatTime(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  // Most are in the same second as the one before.
  if (second !== lastSecond) {
    lastTime = `${new Date(second * 1000).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastTime;
}

/** As MicroTime fields have it: `2006-01-02T15:04:05.000000Z`. */
export function formatMicroTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('Z', '000Z');
}

/** `2006-01-02T15:04:05Z`, whole seconds; or why not, in upstream's words. */
export function canonicalTime(text: string): string | TimeError {
  if (canonicalPattern.test(text)) return text;
  const parsed = parse(text, '2006-01-02T15:04:05Z07:00');
  return 'error' in parsed ? parsed : formatTime(parsed.secondsMs);
}

/** `2006-01-02T15:04:05.000000Z`; or why not. Upstream takes six digits behind the point, no fewer and no more. */
export function canonicalMicroTime(text: string): string | TimeError {
  const layout = '2006-01-02T15:04:05.000000Z07:00';
  if (pattern.test(text) && !microPattern.test(text)) return mismatch(text, layout, microParts);
  const parsed = parse(text, layout, microParts);
  if ('error' in parsed) return parsed;
  return `${formatTime(parsed.secondsMs).slice(0, -1)}.${parsed.fraction.slice(0, 6)}Z`;
}

/** The point in time that a text in RFC 3339 says, in milliseconds; undefined for any other text. */
export function instantOf(text: string): number | undefined {
  const parsed = parse(text, '2006-01-02T15:04:05Z07:00');
  return 'error' in parsed ? undefined : parsed.secondsMs + Number(parsed.fraction.slice(0, 3));
}

function parse(text: string, layout: string, parts: LayoutParts = wholeParts): ParsedTime | TimeError {
  const match = pattern.exec(text);
  if (!match) return mismatch(text, layout, parts);
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const secondsMs = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  const date = new Date(secondsMs);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const inRange =
    Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60 && date.getUTCDate() === Number(day);
  if (!inRange || Number(month) < 1 || Number(month) > 12) {
    const field = Number(month) < 1 || Number(month) > 12 ? 'month' : fieldOutOfRange(hour, minute, second);
    return { error: `parsing time ${JSON.stringify(text)}: ${field} out of range` };
  }
  const [hours, minutes] = zone === 'Z' ? [0, 0] : [Number(zone.slice(1, 3)), Number(zone.slice(4))];
  const unfit = hours > 24 ? 'time zone offset hour' : minutes > 60 ? 'time zone offset minute' : undefined;
  if (unfit) return { error: `parsing time ${JSON.stringify(text)}: ${unfit} out of range` };
  const offsetMs = (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
  const utc = new Date(date.getTime() - offsetMs);
  // Its offset leads out of the years that can be written, and what cannot be written could never be read again.
  if (utc.getUTCFullYear() < 0 || utc.getUTCFullYear() > yearMax)
    return { error: `parsing time ${JSON.stringify(text)}: year outside of range [0,${yearMax}]` };
  return { secondsMs: utc.getTime(), fraction: fraction.padEnd(9, '0') };
}

function fieldOutOfRange(hour = '', minute = '', second = ''): string {
  if (Number(hour) > 23) return 'hour';
  if (Number(minute) > 59) return 'minute';
  return Number(second) > 59 ? 'second' : 'day';
}

type LayoutParts = readonly (readonly [RegExp, string])[];

const toTheSecond: LayoutParts = [
  [/^\d{4}/, '2006'],
  [/^-/, '-'],
  [/^\d\d/, '01'],
  [/^-/, '-'],
  [/^\d\d/, '02'],
  [/^T/, 'T'],
  [/^\d\d/, '15'],
  [/^:/, ':'],
  [/^\d\d/, '04'],
  [/^:/, ':'],
  [/^\d\d/, '05'],
];
const wholeParts: LayoutParts = [...toTheSecond, [/^(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)/, 'Z07:00']];
const microParts: LayoutParts = [
  ...toTheSecond,
  [/^[.,]\d{6}/, '.000000'],
  [/^(?:Z|[+-]\d\d:\d\d)/, 'Z07:00'],
];

function mismatch(text: string, layout: string, parts: LayoutParts): TimeError {
  let rest = text;
  for (const [part, name] of parts) {
    const found = part.exec(rest);
    if (!found) {
      return {
        error: `parsing time ${JSON.stringify(text)} as "${layout}": cannot parse ${JSON.stringify(rest)} as "${name}"`,
      };
    }
    rest = rest.slice(found[0].length);
  }
  return { error: `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}` };
}
