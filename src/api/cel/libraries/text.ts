/** Functions on strings as Go has them: a position counts characters, however many units of UTF-16 these take. */
import type { Environment } from '@marcbachmann/cel-js';
import { spendText } from '../budget.ts';
import { replacementOf } from '../replaced-methods.ts';

export function registerText(environment: Environment): void {
  environment
    .registerFunction('string.charAt(int): string', charAt)
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      replaceSome(text, from, to, -1n),
    )
    .registerFunction('string.replace(string, string, int): string', replaceSome)
    .registerType('kubernetes.Strings', Strings)
    .registerConstant('strings', 'kubernetes.Strings', new Strings())
    .registerFunction('kubernetes.Strings.quote(string): string', (_: Strings, text: string) => quote(text));
  const replace = (name: string, signature: string, method: (...args: never[]) => unknown) =>
    environment.registerFunction(`string.${replacementOf(name)}${signature}`, method as never);
  replace('indexOf', '(string): int', (text: string, part: string) => indexOf(text, part, 0n));
  replace('indexOf', '(string, int): int', indexOf);
  replace('lastIndexOf', '(string): int', (text: string, part: string) => lastIndexOf(text, part, undefined));
  replace('lastIndexOf', '(string, int): int', lastIndexOf);
  replace('lowerAscii', '(): string', (text: string) =>
    text.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase()),
  );
  replace('upperAscii', '(): string', (text: string) =>
    text.replaceAll(/[a-z]+/g, (part) => part.toUpperCase()),
  );
  replace('split', '(string): list<string>', (text: string, separator: string) =>
    split(text, separator, -1n),
  );
  replace('split', '(string, int): list<string>', split);
  replace('substring', '(int): string', (text: string, start: bigint) =>
    substring(text, start, BigInt(charactersOf(text).length)),
  );
  replace('substring', '(int, int): string', substring);
  replace('trim', '(): string', trim);
}

/** The namespace `strings`: the library knows methods only, so its function is a method of a constant. */
class Strings {}

function charactersOf(text: string): string[] {
  spendText(text.length);
  return [...text];
}

/** One character; nothing right behind the last. */
function charAt(text: string, index: bigint): string {
  const characters = charactersOf(text);
  if (index < 0n || index > BigInt(characters.length)) throw outOfRange(index);
  return characters[Number(index)] ?? '';
}

const outOfRange = (index: bigint) => new Error(`index out of range: ${index}`);

function indexOf(text: string, part: string, from: bigint): bigint {
  if (part === '') return from;
  if (from < 0n) throw outOfRange(from);
  const characters = charactersOf(text);
  const start = characters.slice(0, Number(from)).join('').length;
  return positionOf(text, text.indexOf(part, start));
}

/** `from`: where the last match may begin. */
function lastIndexOf(text: string, part: string, from: bigint | undefined): bigint {
  const characters = charactersOf(text);
  if (part === '') return from ?? BigInt(characters.length);
  if (from === undefined) return positionOf(text, text.lastIndexOf(part));
  if (from < 0n) throw outOfRange(from);
  if (from >= BigInt(characters.length)) return -1n;
  return positionOf(text, text.lastIndexOf(part, characters.slice(0, Number(from)).join('').length));
}

/** In characters, of a place in units of UTF-16. */
function positionOf(text: string, unit: number): bigint {
  return unit < 0 ? -1n : BigInt([...text.slice(0, unit)].length);
}

function substring(text: string, start: bigint, end: bigint): string {
  const characters = charactersOf(text);
  const size = BigInt(characters.length);
  if (start < 0n || start > size) throw outOfRange(start);
  if (start > end) throw new Error(`invalid substring range. start: ${start}, end: ${end}`);
  if (end > size) throw outOfRange(end);
  return characters.slice(Number(start), Number(end)).join('');
}

/** Into at most `limit` parts; into all when it is negative. */
function split(text: string, separator: string, limit: bigint): string[] {
  if (limit === 0n) return [];
  spendText(text.length);
  const parts = separator === '' ? [...text] : text.split(separator);
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  const last = Number(limit) - 1;
  return [...parts.slice(0, last), parts.slice(last).join(separator)];
}

const space = /^\p{White_Space}$/u;

/** Not JavaScript's own, to which the mark of the byte order is space and U+0085 is none. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && space.test(text[start]!)) start++;
  while (end > start && space.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** The first `limit` of them; all when it is negative. */
function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  const most = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
  // Checked before it is built: the longest possible text takes seconds.
  spendText(text.length + Math.min(most, countOf(text, from)) * to.length);
  let left = most;
  // Nothing is found between characters, not within them.
  const pattern = from === '' ? /(?:)/gu : from;
  return text.replaceAll(pattern, (found) => (left-- > 0 ? to : found));
}

function countOf(text: string, part: string): number {
  if (part === '') return text.length + 1;
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
  ['\\', '\\\\'],
  ['"', '\\"'],
]);

/** With the escapes of expressions; whatever has none stays as it is. */
function quote(text: string): string {
  spendText(text.length);
  return `"${text.toWellFormed().replaceAll(/["\\\p{Cc}]/gu, (character) => escapes.get(character) ?? character)}"`;
}
