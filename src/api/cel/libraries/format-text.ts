/** `text.format(values)`: upstream's printf, which writes floating-point numbers as an American does. */
import type { Environment } from '@marcbachmann/cel-js';
import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import { goQuote } from '../../../base/text/go-quote.ts';
import { spendText } from '../budget.ts';
import { clause, formatWords, precisionProblem } from '../check/format-clauses.ts';
import { durationText, floatText, namedBy, timestampText, typeNameOf } from './value-text.ts';

export function registerFormatText(environment: Environment): void {
  environment.registerFunction('string.format(list): string', format);
}

function format(template: string, values: readonly unknown[]): string {
  let next = 0;
  const text = template.replaceAll(clause, (_, percent, dot, digits: string | undefined, verb: string) => {
    if (percent) return '%';
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    const precision = dot ? precisionOf(digits ?? '', verb) : undefined;
    if (verb === '') throw new Error('unexpected end of string');
    const print = verbs.get(verb);
    if (!print) throw unparsable(`unrecognized formatting clause "${verb}"`);
    return print(values[next++], precision);
  });
  spendText(text.length);
  return text;
}

const unparsable = (why: string) => new Error(`could not parse formatting clause: ${why}`);

/** Digits that a number has at most. */
const precisionMax = 100;

function precisionOf(digits: string, verb: string): number {
  const problem = precisionProblem(digits, verb);
  if (problem) throw unparsable(problem);
  return Math.min(Number(digits), precisionMax);
}

const verbs: ReadonlyMap<string, (value: unknown, precision: number | undefined) => string> = new Map([
  ['s', (value) => textOf(value)],
  ['d', (value) => String(integer(value) ?? refused('d', value))],
  ['f', (value, precision = 6) => fixed(float(value, 'f'), precision)],
  // Upstream takes the precision of this verb for the width.
  ['e', (value, width = 6) => scientific(float(value, 'e')).padStart(width)],
  ['b', binary],
  ['x', hexadecimal],
  ['X', (value) => hexadecimal(value).toUpperCase()],
  ['o', (value) => integer(value)?.toString(8) ?? refused('o', value)],
]);

function refused(verb: keyof typeof formatWords, value: unknown): never {
  throw new Error(`error during formatting: ${formatWords[verb]}, was given ${typeNameOf(value)}`);
}

function integer(value: unknown): bigint | undefined {
  if (value instanceof UnsignedInt) return value.value;
  return typeof value === 'bigint' ? value : undefined;
}

const wordsOfFloats: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

function float(value: unknown, verb: 'f' | 'e'): number {
  if (typeof value === 'number') return value;
  return wordsOfFloats.get(value) ?? refused(verb, value);
}

function binary(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return integer(value)?.toString(2) ?? refused('b', value);
}

function hexadecimal(value: unknown): string {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return integer(value)?.toString(16) ?? refused('x', value);
}

const endless = (value: number) => (value > 0 ? '∞' : '-∞');

/** With commas between thousands. */
function fixed(value: number, precision: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return endless(value);
  const [whole = '', fraction] = plainFixed(value, precision).split('.');
  const grouped = whole.replaceAll(/\d(?=(?:\d{3})+$)/g, '$&,');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

function plainFixed(value: number, precision: number): string {
  // From here on JavaScript writes powers of ten, and all numbers are whole.
  if (Math.abs(value) >= 1e21)
    return precision === 0 ? `${BigInt(value)}` : `${BigInt(value)}.${'0'.repeat(precision)}`;
  return halfToEven(value.toFixed(precision), value.toFixed(Math.min(precision + moreDigits, 100)));
}

/** `1.052033×10⁰³` */
function scientific(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return endless(value);
  const [short = '', exponent = ''] = value.toExponential(6).split('e');
  const [long = '', itsExponent = ''] = value.toExponential(6 + moreDigits).split('e');
  const digits = halfToEven(short, long);
  const power = Number(digits === short ? exponent : itsExponent);
  const raised = [...String(Math.abs(power)).padStart(2, '0')].map((digit) => superscripts[Number(digit)]);
  return `${digits}×10${power < 0 ? '⁻' : ''}${raised.join('')}`;
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** Enough to tell a half from what is slightly more. */
const moreDigits = 25;

/** JavaScript rounds halves up. `long`: the same number with more digits. */
function halfToEven(short: string, long: string): string {
  const rest = long.slice(-moreDigits);
  const cut = long.slice(0, -moreDigits).replace(/\.$/, '');
  return cut.length === short.length && /^50*$/.test(rest) && /[02468]$/.test(cut) ? cut : short;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  return textWithin(value, (bytes) => utf8(bytes));
}

/** As in a list or a map, where it can be read as an expression. */
function quoted(value: unknown): string {
  if (typeof value === 'string') return goQuote(value);
  if (value instanceof Date) return `timestamp(${goQuote(timestampText(value))})`;
  if (value instanceof Duration) return `duration(${goQuote(durationText(value))})`;
  if (typeof value === 'number')
    return Number.isFinite(value) ? plainFixed(value, 6) : goQuote(floatText(value));
  return textWithin(value, (bytes) => `b${goQuote(utf8(bytes))}`);
}

function textWithin(value: unknown, bytesText: (bytes: Uint8Array) => string): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return floatText(value);
  if (typeof value === 'boolean') return String(value);
  const whole = integer(value);
  if (whole !== undefined) return String(whole);
  if (value instanceof Uint8Array) return bytesText(value);
  if (Array.isArray(value)) return `[${value.map(quoted).join(', ')}]`;
  if (typeNameOf(value) === 'map') return mapText(value as object);
  return namedBy(value) ?? refused('s', value);
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(
      'error during formatting: could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string',
      { cause },
    );
  }
}

/** In the order of the keys' texts. */
function mapText(map: object): string {
  const entries = map instanceof Map ? [...map] : Object.entries(map);
  const parts = entries.map(([key, item]) => [quoted(key), quoted(item)] as const);
  parts.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return `{${parts.map(([key, item]) => `${key}:${item}`).join(', ')}}`;
}
