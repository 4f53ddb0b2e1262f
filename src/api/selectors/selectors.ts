/** Selectors as query strings carry them: `app in (a,b),!beta` over labels, `spec.nodeName=n1` over fields. */

import { badRequest } from '../status.ts';
import { labelValueProblems, qualifiedNameProblems } from '../validation/names.ts';
import { compileRequirement, type Labels } from './label-selector.ts';

export type LabelOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

export interface LabelRequirement {
  key: string;
  operator: LabelOperator;
  values: readonly string[];
}

export interface ParsedLabelSelector {
  readonly requirements: readonly LabelRequirement[];
  /** True when it selects everything. */
  readonly empty: boolean;
  matches(labels: Labels | undefined): boolean;
}

export interface FieldTerm {
  field: string;
  /** False for `!=`. */
  equals: boolean;
  value: string;
}

export interface ParsedFieldSelector {
  readonly terms: readonly FieldTerm[];
  readonly empty: boolean;
  /** `values` by field; a field that is not there counts as empty. */
  matches(values: Readonly<Record<string, string>>): boolean;
  /** The value that the selector requires of a field, if any: for a look-up in an index. */
  requiredValue(field: string): string | undefined;
}

/** @throws {StatusError} 400 with upstream's words */
export function parseLabelSelector(text: string): ParsedLabelSelector {
  const requirements = new LabelSelectorParser(text).parse();
  const checks = requirements.map(({ key, operator, values }) => compileRequirement(key, operator, values));
  return {
    requirements,
    empty: requirements.length === 0,
    matches: (labels) => checks.every((check) => check(labels)),
  };
}

interface Token {
  type: 'identifier' | 'keyword' | 'symbol' | 'end';
  text: string;
}

const symbols = ['==', '!=', '=', '!', '(', ')', ',', '>', '<'];
const endToken: Token = { type: 'end', text: '' };

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (' \t\r\n'.includes(text[at]!)) {
      at++;
      continue;
    }
    const symbol = symbols.find((candidate) => text.startsWith(candidate, at));
    if (symbol) {
      tokens.push({ type: 'symbol', text: symbol });
      at += symbol.length;
      continue;
    }
    const start = at;
    while (at < text.length && !' \t\r\n=!(),><'.includes(text[at]!)) at++;
    const word = text.slice(start, at);
    tokens.push({ type: word === 'in' || word === 'notin' ? 'keyword' : 'identifier', text: word });
  }
  return tokens;
}

const operators: Record<string, LabelOperator> = {
  in: 'In',
  notin: 'NotIn',
  '=': 'In',
  '==': 'In',
  '!=': 'NotIn',
  '>': 'Gt',
  '<': 'Lt',
};

class LabelSelectorParser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.type === 'end') break;
      if (!startsRequirement(token)) {
        throw badRequest(`found '${token.text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      const next = this.#next();
      if (next.type === 'end') break;
      if (!isSymbol(next, ',')) throw badRequest(`found '${next.text}', expected: ',' or 'end of string'`);
      const after = this.#peek();
      if (!startsRequirement(after)) {
        throw badRequest(`found '${after.text}', expected: identifier after ','`);
      }
    }
    return requirements.sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0));
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? endToken;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #requirement(): LabelRequirement {
    const negated = isSymbol(this.#peek(), '!');
    if (negated) this.#at++;
    const key = this.#next();
    if (!isWord(key)) throw refused(`found '${key.text}', expected: identifier`);
    const problems = qualifiedNameProblems(key.text);
    if (problems.length > 0) {
      throw refused(`<nil>: Invalid value: ${JSON.stringify(key.text)}: ${problems.join('; ')}`);
    }
    if (negated) return { key: key.text, operator: 'DoesNotExist', values: [] };
    const next = this.#peek();
    if (next.type === 'end' || isSymbol(next, ',')) {
      return { key: key.text, operator: 'Exists', values: [] };
    }
    this.#at++;
    const operator = next.type === 'identifier' ? undefined : operators[next.text];
    if (!operator) throw refused(`found '${next.text}', expected: in, notin, =, ==, !=, gt, lt`);
    const values = next.type === 'keyword' ? this.#valueSet() : [this.#exactValue()];
    checkValues(key.text, operator, values);
    return { key: key.text, operator, values };
  }

  #exactValue(): string {
    const token = this.#peek();
    if (token.type === 'end' || isSymbol(token, ',')) return '';
    this.#at++;
    if (!isWord(token)) throw refused(`found '${token.text}', expected: identifier`);
    return token.text;
  }

  /** `(a,b)`; an item may be empty. */
  #valueSet(): string[] {
    const open = this.#next();
    if (!isSymbol(open, '(')) throw refused(`found '${open.text}' expected: '('`);
    const values = new Set<string>();
    const first = this.#peek();
    if (!isWord(first) && !isSymbol(first, ',') && !isSymbol(first, ')')) {
      throw refused(`found '${first.text}', expected: ',', ')' or identifier`);
    }
    for (;;) {
      let value = '';
      if (isWord(this.#peek())) value = this.#next().text;
      values.add(value);
      const separator = this.#next();
      if (isSymbol(separator, ')')) break;
      if (!isSymbol(separator, ',')) throw refused(`found '${separator.text}', expected: ',' or ')'`);
    }
    return [...values].sort();
  }
}

function isSymbol(token: Token, text: string): boolean {
  return token.type === 'symbol' && token.text === text;
}

/** `in` and `notin` are ordinary words where no operator can occur. */
function isWord(token: Token): boolean {
  return token.type === 'identifier' || token.type === 'keyword';
}

function startsRequirement(token: Token): boolean {
  return isWord(token) || isSymbol(token, '!');
}

function refused(why: string) {
  return badRequest(`unable to parse requirement: ${why}`);
}

function checkValues(key: string, operator: LabelOperator, values: readonly string[]): void {
  const problems: string[] = [];
  for (const [index, value] of values.entries()) {
    if ((operator === 'Gt' || operator === 'Lt') && !/^[+-]?\d{1,19}$/.test(value)) {
      problems.push(
        `values[${index}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    }
  }
  for (const [index, value] of values.entries()) {
    const wrong = labelValueProblems(value);
    if (wrong.length > 0) {
      problems.push(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${wrong.join('; ')}`);
    }
  }
  if (problems.length > 0) {
    throw refused(problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`);
  }
}

/** @throws {StatusError} 400 with upstream's words */
export function parseFieldSelector(text: string): ParsedFieldSelector {
  const terms: FieldTerm[] = [];
  for (const part of splitTerms(text)) {
    if (part === '') continue;
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(part);
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, field = '', operator, value = ''] = match;
    terms.push({ field, equals: operator !== '!=', value: unescapeValue(value) });
  }
  return {
    terms,
    empty: terms.length === 0,
    matches: (values) => terms.every((term) => ((values[term.field] ?? '') === term.value) === term.equals),
    requiredValue: (field) => terms.find((term) => term.field === field && term.equals)?.value,
  };
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms.sort();
}

function unescapeValue(value: string): string {
  let out = '';
  for (let at = 0; at < value.length; at++) {
    const letter = value[at]!;
    if (letter === '\\') {
      const escaped = value[++at] ?? '';
      if (escaped === '' || !'\\,='.includes(escaped)) {
        throw badRequest(`invalid field selector: invalid escape sequence: \\${escaped}`);
      }
      out += escaped;
    } else if (letter === ',' || letter === '=') {
      throw badRequest(`invalid field selector: unescaped character in value: ${letter.charCodeAt(0)}`);
    } else out += letter;
  }
  return out;
}
