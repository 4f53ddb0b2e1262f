/** Kubernetes' functions on strings: regular expressions (Go's, in linear time), and printf-like format. */
import type { Environment } from '@marcbachmann/cel-js';
import { Duration } from '@marcbachmann/cel-js/evaluator';
import { RE2JS } from 're2js';
import { spendText } from '../budget.ts';
import { linearMatches } from '../linear-matches.ts';

export function registerText(environment: Environment): void {
  environment
    .registerFunction('matches(string, string): bool', matches)
    .registerFunction(`string.${linearMatches}(string): bool`, matches)
    .registerFunction('string.find(string): string', (text: string, pattern: string) => find(text, pattern))
    .registerFunction('string.findAll(string): list', (text: string, pattern: string) =>
      findAll(text, pattern, -1n),
    )
    .registerFunction('string.findAll(string, int): list', findAll)
    .registerFunction('string.format(list): string', (template: string, values: readonly unknown[]) =>
      format(template, values),
    )
    .registerFunction('string.charAt(int): string', charAt)
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      replaceSome(text, from, to, -1n),
    )
    .registerFunction('string.replace(string, string, int): string', replaceSome)
    .registerType('kubernetes.Strings', Strings)
    .registerConstant('strings', 'kubernetes.Strings', new Strings())
    .registerFunction('kubernetes.Strings.quote(string): string', (_: Strings, text: string) =>
      JSON.stringify(text),
    );
}

/** The namespace `strings`: the library knows methods only, so its function is a method of a constant. */
class Strings {}

/** One character; nothing right behind the last. */
function charAt(text: string, index: bigint): string {
  spendText(text.length);
  const characters = [...text];
  if (index < 0n || index > BigInt(characters.length)) throw new Error(`index out of range: ${index}`);
  return characters[Number(index)] ?? '';
}

/** The first `limit` of them; all when it is negative. */
function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  const most = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
  // Checked before it is built: the longest possible text takes seconds.
  spendText(text.length + Math.min(most, countOf(text, from)) * to.length);
  let left = most;
  return text.replaceAll(from, (found) => (left-- > 0 ? to : found));
}

function countOf(text: string, part: string): number {
  if (part === '') return text.length + 1;
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

/** Linear in the text, which may be long and matched in every round of a loop. */
function matcherOf(text: string, pattern: string) {
  spendText(text.length + pattern.length);
  return RE2JS.compile(pattern).matcher(text);
}

function matches(text: string, pattern: string): boolean {
  return matcherOf(text, pattern).find();
}

function find(text: string, pattern: string): string {
  const matcher = matcherOf(text, pattern);
  return matcher.find() ? (matcher.group() ?? '') : '';
}

function findAll(text: string, pattern: string, limit: bigint): string[] {
  const matcher = matcherOf(text, pattern);
  const found: string[] = [];
  while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

/** The verbs %s %d %f %e %b %x %X %o and %%, with a precision for %f and %e. */
function format(template: string, values: readonly unknown[]): string {
  let next = 0;
  return template.replace(/%(?:\.(\d+))?([sdfebxXo%])/g, (_, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    return formatOne(values[next++], verb, precision === undefined ? 6 : Number(precision));
  });
}

const radixes: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16, d: 10 };

function formatOne(value: unknown, verb: string, precision: number): string {
  if (verb === 's') return textOf(value);
  if (verb === 'f') return Number(value).toFixed(precision);
  if (verb === 'e') return Number(value).toExponential(precision);
  if (typeof value === 'string' && (verb === 'x' || verb === 'X')) {
    const hex = Buffer.from(value).toString('hex');
    return verb === 'X' ? hex.toUpperCase() : hex;
  }
  if (typeof value === 'boolean' && verb === 'b') return value ? '1' : '0';
  if (typeof value !== 'bigint') throw new Error(`%${verb} cannot print a value of this type`);
  const text = value.toString(radixes[verb]);
  return verb === 'X' ? text.toUpperCase() : text;
}

function textOf(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (value instanceof Duration) return `${Number(value.valueOf()) / 1000}s`;
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  if (value instanceof Map) return textOf(Object.fromEntries(value));
  if (typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${key}: ${textOf(item)}`).join(', ')}}`;
  }
  return String(value);
}
