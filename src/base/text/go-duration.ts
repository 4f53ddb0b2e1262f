/** Durations in Go's notation (`1h30m`, `-2.5s`, `0`), and Go's messages for invalid ones. */

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** What 64 bits of nanoseconds hold. */
const longestMs = 2 ** 63 / 1e6;

/** Milliseconds; undefined for what is no duration or a negative one. */
export function parsePeriodMs(text: string): number | undefined {
  const ms = parseGoDuration(text);
  return typeof ms === 'number' && ms >= 0 ? ms : undefined;
}

/** Milliseconds, or the error in Go's words. */
export function parseGoDuration(text: string): number | { error: string } {
  const invalid = { error: `time: invalid duration ${JSON.stringify(text)}` };
  const unsigned = text.replace(/^[-+]/, '');
  if (unsigned === '0') return 0;
  if (unsigned === '') return invalid;
  let totalMs = 0;
  for (let rest = unsigned; rest !== ''; ) {
    const amount = /^(?:\d+(?:\.\d*)?|\.\d+)/.exec(rest)?.[0];
    if (amount === undefined) return invalid;
    const unit = /^[^.\d]*/.exec(rest.slice(amount.length))![0];
    if (unit === '') return { error: `time: missing unit in duration ${JSON.stringify(text)}` };
    const factor = unitMs[unit];
    if (factor === undefined)
      return { error: `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}` };
    totalMs += Number(amount) * factor;
    if (totalMs >= longestMs) return invalid;
    rest = rest.slice(amount.length + unit.length);
  }
  return text.startsWith('-') ? -totalMs : totalMs;
}

/** `850ms`, `1.234s`, `1m2.5s`, `2h0m0s`: as Go prints a duration of whole milliseconds; what is less is cut off. */
export function formatGoDuration(ms: number): string {
  const whole = Math.trunc(ms);
  if (whole > 0 && whole < 1_000) return `${whole}ms`;
  const seconds = `${(whole % 60_000) / 1_000}s`;
  const minutes = Math.floor(whole / 60_000);
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}
