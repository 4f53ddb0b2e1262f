/**
 * JSON values as YAML text, letter for letter as upstream writes them: blocks, keys in order, lines folded at 80 columns,
 * and for each string the plainest form that can hold it.
 */

const lineWidth = 80;
const indentStep = 2;
/** A longer key is written on a separate line, after a question mark. */
const simpleKeyBytesMax = 128;

export function formatYaml(value: unknown): string {
  const writer = new Writer();
  writer.node(value, { indent: 0, isInline: true });
  return `${writer.text}\n`;
}

interface Place {
  indent: number;
  /** The first line continues the present line, after `- `. */
  isInline: boolean;
}

class Writer {
  text = '';
  /** Characters since the line began. */
  #column = 0;

  node(value: unknown, { indent, isInline }: Place): void {
    if (isBlock(value)) {
      if (Array.isArray(value)) this.#list(value, { indent, isInline });
      else this.#map(value as Record<string, unknown>, { indent, isInline });
    } else this.#leaf(value, indent);
  }

  #put(text: string): void {
    this.text += text;
    const lastBreak = text.lastIndexOf('\n');
    this.#column = lastBreak < 0 ? this.#column + [...text].length : [...text.slice(lastBreak + 1)].length;
  }

  #line(indent: number): void {
    this.#put(`\n${' '.repeat(indent)}`);
  }

  #list(items: readonly unknown[], { indent, isInline }: Place): void {
    for (const [at, item] of items.entries()) {
      if (at > 0 || !isInline) this.#line(indent);
      this.#put('- ');
      this.node(item, { indent: indent + indentStep, isInline: true });
    }
  }

  #map(map: Record<string, unknown>, { indent, isInline }: Place): void {
    for (const [at, key] of keysOf(map).entries()) {
      if (at > 0 || !isInline) this.#line(indent);
      if (isSimpleKey(key)) this.#entry(key, map[key], indent);
      else this.#longEntry(key, map[key], indent);
    }
  }

  #entry(key: string, value: unknown, indent: number): void {
    this.#string(key, { indent, isKey: true });
    this.#put(':');
    if (isBlock(value)) {
      // A list is written below its key, at the same depth.
      const depth = Array.isArray(value) ? indent : indent + indentStep;
      this.node(value, { indent: depth, isInline: false });
    } else {
      this.#put(' ');
      this.#leaf(value, indent + indentStep);
    }
  }

  #longEntry(key: string, value: unknown, indent: number): void {
    const inner = { indent: indent + indentStep, isInline: true };
    this.#put('? ');
    this.#leaf(key, inner.indent);
    this.#line(indent);
    this.#put(': ');
    this.node(value, inner);
  }

  #leaf(value: unknown, indent: number): void {
    if (typeof value === 'string') this.#string(value, { indent, isKey: false });
    else if (Array.isArray(value)) this.#put('[]');
    else if (typeof value === 'object' && value !== null) this.#put('{}');
    else this.#put(typeof value === 'number' ? formatNumber(value) : String(value ?? null));
  }

  /** `indent`: of the continuation lines. */
  #string(text: string, { indent, isKey }: { indent: number; isKey: boolean }): void {
    const style = styleOf(text, { isKey });
    // A key stays on its line.
    const foldIndent = isKey ? undefined : indent;
    if (style === 'plain') this.#plain(text, foldIndent);
    else if (style === 'single') this.#singleQuoted(text, foldIndent);
    else if (style === 'double') this.#doubleQuoted(text, foldIndent);
    else this.#literal(text, indent);
  }

  #plain(text: string, foldIndent: number | undefined): void {
    const words = splitBeforeSpaces(text);
    for (const [at, word] of words.entries())
      this.#word(word, canBreakBefore(words, at) ? foldIndent : undefined);
  }

  #singleQuoted(text: string, foldIndent: number | undefined): void {
    this.#put("'");
    const words = splitBeforeSpaces(text);
    for (const [at, word] of words.entries()) {
      // Neither the first nor the last character of the text becomes a line's end.
      const canBreak = at > 0 && canBreakBefore(words, at);
      this.#word(word.replaceAll("'", "''"), canBreak ? foldIndent : undefined);
    }
    this.#put("'");
  }

  /** When the line is too long already, a line break with `foldIndent` takes the place of the word's space. */
  #word(written: string, foldIndent: number | undefined): void {
    if (foldIndent === undefined || this.#column <= lineWidth) this.#put(written);
    else {
      this.#line(foldIndent);
      this.#put(written.slice(1));
    }
  }

  #doubleQuoted(text: string, foldIndent: number | undefined): void {
    this.#put('"');
    const characters = [...text];
    let afterSpace = false;
    for (const [at, character] of characters.entries()) {
      const canBreak = character === ' ' && !afterSpace && at > 0 && at < characters.length - 1;
      if (canBreak && foldIndent !== undefined && this.#column > lineWidth) {
        this.#line(foldIndent);
        if (characters[at + 1] === ' ') this.#put('\\');
      } else this.#put(escaped(character));
      afterSpace = character === ' ';
    }
    this.#put('"');
  }

  #literal(text: string, indent: number): void {
    const startsWithSpace = /^[ \n\r\u0085\u2028\u2029]/.test(text);
    this.#put(`|${startsWithSpace ? indentStep : ''}${chomping(text)}`);
    const body = text.endsWith('\n') ? text.slice(0, -1) : text;
    for (const line of body.split('\n')) {
      this.#put('\n');
      if (line !== '') this.#put(' '.repeat(indent) + line);
    }
  }
}

/** What is undefined is not there, as in JSON. */
function keysOf(map: object): string[] {
  const values = map as Record<string, unknown>;
  return Object.keys(map)
    .filter((key) => values[key] !== undefined)
    .sort(compareKeys);
}

function isBlock(value: unknown): value is object {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' && value !== null && keysOf(value).length > 0;
}

function isSimpleKey(key: string): boolean {
  return !hasBreak.test(key) && Buffer.byteLength(key) <= simpleKeyBytesMax;
}

/** `-`: the text ends without a line's end; `+`: with more than one. */
function chomping(text: string): string {
  if (!text.endsWith('\n')) return '-';
  return text === '\n' || text.endsWith('\n\n') ? '+' : '';
}

/** Pieces that begin with a space, but for the first. */
function splitBeforeSpaces(text: string): string[] {
  return text.split(/(?= )/);
}

/** Only at a single space. */
function canBreakBefore(words: readonly string[], at: number): boolean {
  return words[at]!.startsWith(' ') && words[at]!.length > 1 && words[at - 1] !== ' ';
}

type Style = 'plain' | 'single' | 'double' | 'literal';

const hasBreak = /[\n\r\u0085\u2028\u2029]/;
/** Characters that are invisible or ambiguous to readers: tabs and those beyond the first plane, too. */
const special = /[^\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/u;

function styleOf(text: string, { isKey }: { isKey: boolean }): Style {
  const isSpecial = special.test(text) || /[\r\u0085]/.test(text);
  const spaceBeforeBreak = / [\n\r\u0085\u2028\u2029]/.test(text);
  if (text.includes('\n')) {
    const isLiteral = !isKey && !isSpecial && !spaceBeforeBreak && !text.endsWith(' ');
    return isLiteral ? 'literal' : 'double';
  }
  // Upstream writes a bare key of this name, which its own parser treats as a merge.
  if (meansSomethingElse(text) || (isKey && text === '<<')) return 'double';
  if (isSpecial || spaceBeforeBreak || hasBreak.test(text)) return 'double';
  return isPlain(text) ? 'plain' : 'single';
}

/** Characters that mean something where they stand. */
function isPlain(text: string): boolean {
  if (/^ | $/.test(text) || text.startsWith('---') || text.startsWith('...')) return false;
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text) || /^[?:-](\s|$)/.test(text)) return false;
  return !/:(\s|$)/.test(text) && !/\s#/.test(text);
}

const words = new Set([
  ...['', '~', 'null', 'Null', 'NULL'],
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON', 'true', 'True', 'TRUE'],
  ...['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF', 'false', 'False', 'FALSE'],
  ...['.nan', '.NaN', '.NAN', '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF', '-.inf', '-.Inf', '-.INF'],
]);
const integer = /^[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/;
const float = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const sexagesimal = /^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$/;

/** Whether YAML 1.1 reads the bare text as a boolean, a number, a time or nothing. */
function meansSomethingElse(text: string): boolean {
  if (words.has(text)) return true;
  const first = text[0]!;
  if (first === '.') return /^\.[0-9]+([eE][-+]?[0-9]+)?$/.test(text);
  if (!/[-+0-9]/.test(first)) return false;
  const digits = text.replaceAll('_', '');
  return integer.test(digits) || float.test(digits) || sexagesimal.test(text) || isTime(text);
}

const time =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})([.,]\d+)?(?:Z|[-+](\d\d):(\d\d)))|(?: (\d{1,2}):(\d{1,2}):(\d{1,2})([.,]\d+)?))?$/;

function isTime(text: string): boolean {
  const match = time.exec(text);
  if (!match) return false;
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  const daysInMonth = new Date(Date.UTC(year, month, 0)).getUTCDate();
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth) return false;
  const parts = match[4] === undefined ? match.slice(10, 13) : match.slice(4, 7);
  const [hour = 0, minute = 0, second = 0] = parts.map((part) => Number(part ?? 0));
  return hour < 24 && minute < 60 && second < 60;
}

const shortEscapes: Readonly<Record<string, string>> = {
  '\u0000': '\\0',
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\u001b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\u0085': '\\N',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function escaped(character: string): string {
  const short = shortEscapes[character];
  if (short) return short;
  if (!special.test(character)) return character;
  const hex = character.codePointAt(0)!.toString(16).toUpperCase();
  if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** Whole numbers of 64 bits with all their digits, others as Go prints them. */
function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 64) return String(value);
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** Digits compare as numbers, and letters come after everything else. */
function compareKeys(left: string, right: string): number {
  const [a, b] = [[...left], [...right]];
  let inDigits = false;
  for (let at = 0; at < a.length && at < b.length; at++) {
    if (a[at] === b[at]) {
      inDigits = isDigit(a[at]!);
      continue;
    }
    return compareFrom(a, b, { at, inDigits });
  }
  return a.length - b.length;
}

/** `inDigits`: the common part ends in a digit. */
function compareFrom(
  a: readonly string[],
  b: readonly string[],
  { at, inDigits }: { at: number; inDigits: boolean },
): number {
  const [isLetterA, isLetterB] = [isLetter(a[at]!), isLetter(b[at]!)];
  if (isLetterA && isLetterB) return a[at]! < b[at]! ? -1 : 1;
  if (isLetterA || isLetterB) {
    if (inDigits) return isLetterA ? -1 : 1;
    return isLetterB ? -1 : 1;
  }
  const [numberA, numberB] = [numberFrom(a, at), numberFrom(b, at)];
  if (numberA.value !== numberB.value) return numberA.value < numberB.value ? -1 : 1;
  if (numberA.length !== numberB.length) return numberA.length - numberB.length;
  return a[at]!.codePointAt(0)! - b[at]!.codePointAt(0)!;
}

function numberFrom(characters: readonly string[], at: number): { value: bigint; length: number } {
  let end = at;
  while (end < characters.length && isDigit(characters[end]!)) end++;
  return { value: BigInt(characters.slice(at, end).join('') || '0'), length: end - at };
}

const isDigit = (character: string) => /\p{Nd}/u.test(character);
const isLetter = (character: string) => /\p{L}/u.test(character);
