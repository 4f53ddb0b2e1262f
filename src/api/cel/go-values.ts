/** Reads texts as Go's parsers do, for conversions in expressions. Each gives undefined for what it does not take. */
import { Duration } from '@marcbachmann/cel-js/evaluator';

const [int64Min, int64Max, uint64Max] = [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 64n - 1n];

/** More digits than any number of 64 bits has; longer texts would only cost time. */
const digitsMax = 20;
/** Of a fraction: what follows is less than a nanosecond of the longest unit. */
const fractionDigitsMax = 18;

export function isInt64(value: bigint): boolean {
  return value >= int64Min && value <= int64Max;
}

export function isUint64(value: bigint): boolean {
  return value >= 0n && value <= uint64Max;
}

export function intOf(text: string): bigint | undefined {
  const [, sign, digits] = /^([+-]?)0*(\d+)$/.exec(text) ?? [];
  if (digits === undefined || digits.length > digitsMax) return undefined;
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  return isInt64(value) ? value : undefined;
}

export function uintOf(text: string): bigint | undefined {
  const [, digits] = /^0*(\d+)$/.exec(text) ?? [];
  if (digits === undefined || digits.length > digitsMax) return undefined;
  const value = BigInt(digits);
  return isUint64(value) ? value : undefined;
}

const truths = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const untruths = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

export function boolOf(text: string): boolean | undefined {
  return truths.has(text) ? true : untruths.has(text) ? false : undefined;
}

/** Also hexadecimal ones, and with underscores between digits; undefined when too large. */
export function doubleOf(text: string): number | undefined {
  if (/^nan$/i.test(text)) return Number.NaN;
  const [, endless] = /^([+-]?)inf(?:inity)?$/i.exec(text) ?? [];
  if (endless !== undefined) return endless === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const digits = text.replaceAll(/(?<=\d)_(?=\d)/g, '');
  const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(digits) ? Number(digits) : hexOf(digits);
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

function hexOf(text: string): number | undefined {
  const [, sign, whole = '', fraction = '', power] =
    /^([+-]?)0x([\da-f]*)\.?([\da-f]*)p([+-]?\d+)$/i.exec(text) ?? [];
  if (sign === undefined || whole + fraction === '') return undefined;
  const size = Number(BigInt(`0x${whole}${fraction}`)) * 2 ** (Number(power) - 4 * fraction.length);
  return sign === '-' ? -size : size;
}

const unitNanos: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** `1h30m`, `-2.5s`. */
export function durationOf(text: string): Duration | undefined {
  const [, sign, body = ''] =
    /^([+-]?)(0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  let nanos = 0n;
  for (const [, whole = '', digits = '', unit] of body.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    const one = unitNanos[unit!]!;
    const fraction = digits.slice(0, fractionDigitsMax);
    const size = whole.replace(/^0+/, '');
    if (size.length > digitsMax) return undefined;
    nanos += BigInt(size) * one + (BigInt(fraction || 0) * one) / 10n ** BigInt(fraction.length);
  }
  if (sign === '-') nanos = -nanos;
  return isInt64(nanos) ? durationOfNanos(nanos) : undefined;
}

export function durationOfNanos(nanos: bigint): Duration {
  return new Duration(nanos / 1_000_000_000n, Number(nanos % 1_000_000_000n));
}

const [timestampMinMs, timestampMaxMs] = [-62_135_596_800_000, 253_402_300_799_999];
const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** In the years that timestamps have, 1 to 9999; `overflow` outside of them. */
export function timestampOf(text: string): Date | 'overflow' | undefined {
  const found = rfc3339.exec(text);
  if (!found) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number) as [number, ...number[]];
  const [fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] = found.slice(7);
  const date = new Date(0);
  date.setUTCFullYear(year, month! - 1, day);
  const isDay = date.getUTCMonth() === month! - 1 && date.getUTCDate() === day;
  if (!isDay || hour! > 23 || minute! > 59 || second! > 59) return undefined;
  if (Number(offsetHours) > 24 || Number(offsetMinutes) > 59) return undefined;
  date.setUTCHours(hour!, minute, second, Number(fraction.slice(0, 3).padEnd(3, '0')));
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000;
  return inRange(date.getTime() - (sign === '-' ? -offsetMs : offsetMs));
}

export function timestampOfSeconds(seconds: bigint): Date | 'overflow' {
  return inRange(Number(seconds) * 1000);
}

function inRange(ms: number): Date | 'overflow' {
  return ms >= timestampMinMs && ms <= timestampMaxMs ? new Date(ms) : 'overflow';
}
