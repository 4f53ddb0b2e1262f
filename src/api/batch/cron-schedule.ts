/**
 * The syntax of cron schedules: five fields, names of months and days, steps and ranges, and shorthands such as
 * `@daily`.
 */
import { parseGoDuration } from '../../base/text/go-duration.ts';

/** The minutes, hours … at which a schedule fires. */
export interface CronFields {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  daysOfMonth: ReadonlySet<number>;
  months: ReadonlySet<number>;
  daysOfWeek: ReadonlySet<number>;
  /** Whether the field was `*`: when neither day field is, either may match. */
  anyDayOfMonth: boolean;
  anyDayOfWeek: boolean;
}

/** `@every`: the time between two runs, in whole seconds. */
export interface CronPeriod {
  everyMs: number;
}

export class CronError extends Error {
  override name = 'CronError';
}

interface FieldRules {
  min: number;
  max: number;
  names?: ReadonlyMap<string, number>;
}

const numbered = (names: string, from: number) =>
  new Map(names.split(' ').map((name, index) => [name, index + from] as const));

const fieldRules: readonly FieldRules[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: numbered('jan feb mar apr may jun jul aug sep oct nov dec', 1) },
  { min: 0, max: 6, names: numbered('sun mon tue wed thu fri sat', 0) },
];

const descriptors: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** @throws {CronError} with upstream's words. */
export function parseCron(text: string): CronFields | CronPeriod {
  if (text === '') throw new CronError('empty spec string');
  if (text.startsWith('@')) return parseDescriptor(text);
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5)
    throw new CronError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  const [minutes, hours, daysOfMonth, months, daysOfWeek] = fields.map((field, index) =>
    parseField(field, fieldRules[index]!),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  return {
    minutes,
    hours,
    daysOfMonth,
    months,
    daysOfWeek,
    anyDayOfMonth: isAny(fields[2]!),
    anyDayOfWeek: isAny(fields[4]!),
  };
}

/** A step of more than one makes a choice of a star. */
function isAny(field: string): boolean {
  return field.split(',').some((part) => /^[*?](\/0*1)?$/.test(part));
}

function parseDescriptor(text: string): CronFields | CronPeriod {
  const expression = descriptors[text];
  if (expression) return parseCron(expression);
  const every = /^@every (.+)$/.exec(text);
  if (!every) throw new CronError(`unrecognized descriptor: ${text}`);
  const everyMs = parseGoDuration(every[1]!);
  if (typeof everyMs === 'object') throw new CronError(`failed to parse duration ${text}: ${everyMs.error}`);
  return { everyMs: Math.max(1000, everyMs - (everyMs % 1000)) };
}

function parseField(field: string, rules: FieldRules): Set<number> {
  const values = new Set<number>();
  for (const part of field.split(',')) for (const value of parseRange(part, rules)) values.add(value);
  return values;
}

/** `*`, `5`, `1-5`, each with `/step`. */
function parseRange(part: string, rules: FieldRules): number[] {
  const [range = '', stepText, ...tooMany] = part.split('/');
  const [low = '', high, ...tooManyBounds] = range.split('-');
  if (tooManyBounds.length > 0) throw new CronError(`too many hyphens: ${part}`);
  if (tooMany.length > 0) throw new CronError(`too many slashes: ${part}`);
  const anything = low === '*' || low === '?';
  const start = anything ? rules.min : parseValue(low, rules);
  let end = anything ? rules.max : high === undefined ? start : parseValue(high, rules);
  const step = stepText === undefined ? 1 : parseNumber(stepText);
  if (stepText !== undefined && high === undefined) end = rules.max;
  if (start < rules.min)
    throw new CronError(`beginning of range (${start}) below minimum (${rules.min}): ${part}`);
  if (end > rules.max) throw new CronError(`end of range (${end}) above maximum (${rules.max}): ${part}`);
  if (start > end) throw new CronError(`beginning of range (${start}) beyond end of range (${end}): ${part}`);
  if (step === 0) throw new CronError(`step of range should be a positive number: ${part}`);
  const values: number[] = [];
  for (let value = start; value <= end; value += step) values.push(value);
  return values;
}

function parseValue(text: string, rules: FieldRules): number {
  return rules.names?.get(text.toLowerCase()) ?? parseNumber(text);
}

function parseNumber(text: string): number {
  if (!/^\d+$/.test(text))
    throw new CronError(`failed to parse int from ${text}: strconv.Atoi: parsing "${text}": invalid syntax`);
  return Number(text);
}
