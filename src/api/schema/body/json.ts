/**
 * JSON text to values: `JSON.parse`, with what it does not report: duplicate keys, excessive nesting, and errors in
 * upstream's words. Only texts that need it pay for the slow scanner.
 */
import type { JsonObject } from '../../../base/json-object.ts';
import { parseExactJson } from '../../../base/text/exact-json.ts';
import { goQuote } from '../../../base/text/go-quote.ts';
import { joinPath, nestingDepthMax, problemsMax } from '../decode.ts';
import {
  type BodyProblem,
  duplicateField,
  type FieldProblem,
  problemText,
  unknownField,
} from './body-problem.ts';

export class JsonError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JsonError';
  }
}

export interface ParsedText {
  value: unknown;
  /** Keys that stand twice; the last value counts. */
  problems: BodyProblem[];
  /** The position in the text of a duplicate or unknown field: only with duplicates, and in JSON. */
  placeOf?: (problem: BodyProblem) => number;
}

/** @throws {JsonError} in the words of upstream's parser. */
export function parseJson(text: string): ParsedText {
  if (mayNestTooDeep(text) && nestsTooDeep(text)) throw new JsonError('json: exceeded max depth');
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    new Scanner(text).scan();
    throw new JsonError('invalid JSON');
  }
  if (countKeys(value) === countColons(text)) return { value, problems: [] };
  const scanner = new Scanner(text);
  const problems = scanner.scan();
  return problems.length === 0 ? { value, problems } : { value, problems, placeOf: scanner.placeOf };
}

function mayNestTooDeep(text: string): boolean {
  if (text.length < nestingDepthMax) return false;
  let count = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > nestingDepthMax) return true;
    }
  }
  return false;
}

function nestsTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > nestingDepthMax) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += countKeys(item);
  else for (const key in value) count += 1 + countKeys((value as JsonObject)[key]);
  return count;
}

/** At least as many as the text has keys: a colon after a quote may also stand within a string. */
function countColons(text: string): number {
  let count = 0;
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) {
    let before = at - 1;
    while (text.charCodeAt(before) <= 0x20) before--;
    if (text.charCodeAt(before) === 0x22) count++;
  }
  return count;
}

const literals = ['true', 'false', 'null'];

/**
 * Positions are recorded for this many fields, and only for paths of at most this many characters: fields below one
 * long key would take the square of the text's length. For other fields, only the order of warnings is lost.
 */
const placesMax = 50_000;
const placedPathLengthMax = 256;

/** A strict scanner in the manner of upstream's: finds the first error, or else all duplicate keys. */
class Scanner {
  readonly #text: string;
  #at = 0;
  readonly #path: (string | number)[] = [];
  readonly #problems: FieldProblem[] = [];
  /** By the problem that a field there is. */
  readonly #places = new Map<string, number>();

  constructor(text: string) {
    this.#text = text;
  }

  readonly placeOf = (problem: BodyProblem): number =>
    this.#places.get(problemText(problem)) ?? this.#text.length;

  scan(): FieldProblem[] {
    this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#fail('after top-level value');
    return this.#problems;
  }

  #space(): void {
    while (this.#at < this.#text.length && ' \t\r\n'.includes(this.#text[this.#at]!)) this.#at++;
  }

  #peek(): string | undefined {
    this.#space();
    return this.#text[this.#at];
  }

  #value(): void {
    const next = this.#peek();
    if (next === '{') this.#object();
    else if (next === '[') this.#array();
    else if (next === '"') this.#string();
    else if (next !== undefined && (next === '-' || (next >= '0' && next <= '9'))) this.#number();
    else this.#literal(next);
  }

  #object(): void {
    this.#at++;
    const seen = new Set<string>();
    if (this.#peek() === '}') {
      this.#at++;
      return;
    }
    for (;;) {
      if (this.#peek() !== '"') this.#fail('looking for beginning of object key string');
      const key = this.#string();
      this.#path.push(key);
      if (seen.has(key)) this.#report();
      else this.#remember();
      seen.add(key);
      if (this.#peek() !== ':') this.#fail('after object key');
      this.#at++;
      this.#value();
      this.#path.pop();
      const next = this.#peek();
      if (next !== ',' && next !== '}') this.#fail('after object key:value pair');
      this.#at++;
      if (next === '}') return;
    }
  }

  #array(): void {
    this.#at++;
    if (this.#peek() === ']') {
      this.#at++;
      return;
    }
    for (let index = 0; ; index++) {
      this.#path.push(index);
      this.#value();
      this.#path.pop();
      const next = this.#peek();
      if (next !== ',' && next !== ']') this.#fail('after array element');
      this.#at++;
      if (next === ']') return;
    }
  }

  #string(): string {
    const start = this.#at++;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code)) this.#fail('in string literal');
      if (code === 0x22) break;
      if (code < 0x20) this.#fail('in string literal');
      if (code === 0x5c) {
        this.#at++;
        const escaped = this.#text[this.#at];
        if (escaped === undefined || !'"\\/bfnrtu'.includes(escaped)) this.#fail('in string escape code');
        if (escaped === 'u') this.#unicodeEscape();
      }
      this.#at++;
    }
    this.#at++;
    return JSON.parse(this.#text.slice(start, this.#at));
  }

  #unicodeEscape(): void {
    for (let digit = 0; digit < 4; digit++) {
      this.#at++;
      if (!/^[0-9a-fA-F]$/.test(this.#text[this.#at] ?? '')) {
        this.#fail('in \\u hexadecimal character escape');
      }
    }
  }

  #number(): void {
    const match = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    match.lastIndex = this.#at;
    const found = match.exec(this.#text);
    if (!found) {
      this.#at++;
      this.#fail('in numeric literal');
    }
    this.#at += found[0].length;
    const next = this.#text[this.#at];
    if (next === '.' || next === 'e' || next === 'E') {
      this.#at++;
      this.#fail(next === '.' ? 'after decimal point in numeric literal' : 'in exponent of numeric literal');
    }
  }

  #literal(next: string | undefined): void {
    const literal = literals.find((word) => word[0] === next);
    if (!literal) this.#fail('looking for beginning of value');
    for (const letter of literal) {
      if (this.#text[this.#at] !== letter) this.#fail(`in literal ${literal} (expecting '${letter}')`);
      this.#at++;
    }
  }

  #remember(): void {
    if (this.#places.size >= placesMax || this.#isPathLong()) return;
    this.#places.set(problemText(unknownField(joinPath(this.#path))), this.#at);
  }

  #isPathLong(): boolean {
    let length = 0;
    for (const part of this.#path) {
      length += typeof part === 'number' ? 3 : part.length + 1;
      if (length > placedPathLengthMax) return true;
    }
    return false;
  }

  #report(): void {
    if (this.#problems.length >= problemsMax) return;
    const problem = duplicateField(joinPath(this.#path));
    if (!this.#isPathLong()) {
      const text = problemText(problem);
      if (this.#places.has(text)) return;
      this.#places.set(text, this.#at);
    }
    this.#problems.push(problem);
  }

  #fail(where: string): never {
    const found = this.#text[this.#at];
    if (found === undefined) throw new JsonError('unexpected end of JSON input');
    const quoted = found === "'" ? "'\\''" : found === '"' ? `'"'` : `'${goQuote(found).slice(1, -1)}'`;
    throw new JsonError(`invalid character ${quoted} ${where}`);
  }
}
