/**
 * Entries of literals that are there if an optional value is: `[?item]`, `{?key: value}`. The library does not know
 * them, so they are rewritten to calls: of one function around each such value, and of one around the literal.
 */
import { type Environment, Optional } from '@marcbachmann/cel-js';
import { type Token, tokenize } from '../check/tokens.ts';

const entry = '__entry__';
const literal = '__present__';

/** Whether a function is one of these two, which cost nothing. */
export function isEntryMark(name: string): boolean {
  return name === entry || name === literal;
}

/** A value that its literal has yet to look into. */
class Entry {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

export function registerOptionalEntries(environment: Environment): void {
  environment
    .registerType('kubernetes.Entry', Entry)
    .registerFunction(`${entry}(dyn): dyn`, (value: unknown) => new Entry(value))
    .registerFunction(`${literal}(list): list`, presentItems)
    .registerFunction(`${literal}(map): map`, presentFields);
}

function presentItems(items: readonly unknown[]): unknown[] {
  return items.flatMap((item) => {
    if (!(item instanceof Entry)) return [item];
    const held = optionalOf(item, 'list element');
    return held.hasValue() ? [held.value()] : [];
  });
}

function presentFields(
  fields: Record<string, unknown> | Map<unknown, unknown>,
): Record<string, unknown> | Map<unknown, unknown> {
  if (fields instanceof Map) {
    for (const [key, item] of fields) {
      if (!(item instanceof Entry)) continue;
      const held = optionalOf(item, `entry '${key}'`);
      if (held.hasValue()) fields.set(key, held.value());
      else fields.delete(key);
    }
    return fields;
  }
  for (const [key, item] of Object.entries(fields)) {
    if (!(item instanceof Entry)) continue;
    const held = optionalOf(item, `entry '${key}'`);
    if (held.hasValue()) fields[key] = held.value();
    else delete fields[key];
  }
  return fields;
}

/** @throws when the value is not an optional one */
function optionalOf({ value }: Entry, place: string): Optional {
  if (value instanceof Optional) return value;
  throw new Error(`cannot initialize optional ${place} from non-optional value ${value}`);
}

/** What is inserted at a place of the source, in place of its next characters. */
interface Edit {
  at: number;
  length: number;
  text: string;
}

/** An open bracket. */
interface Bracket {
  kind: 'list' | 'map' | 'other';
  at: number;
  hasOptional: boolean;
  /** Of the current entry: whether it is optional, and how many colons of `?:` come before its own. */
  isOptional: boolean;
  conditions: number;
}

/** The expression with calls in place of optional entries. */
export function withOptionalEntries(source: string): string {
  if (!source.includes('?')) return source;
  const edits: Edit[] = [];
  const open: Bracket[] = [];
  let before: Token | undefined;
  for (const token of tokenize(source).tokens) {
    const { kind, text, at } = token;
    const inside = open.at(-1);
    if (kind === 'SIGN') {
      if (text === '[' || text === '{' || text === '(') open.push(opened(token, before));
      else if (inside) edits.push(...editsFor(token, before, inside));
      if (text === ']' || text === '}' || text === ')') {
        open.pop();
        if (inside?.hasOptional) {
          edits.push({ at: inside.at, length: 0, text: `${literal}(` });
          edits.push({ at: at + 1, length: 0, text: ')' });
        }
      }
    }
    before = token;
  }
  return edited(source, edits);
}

function opened({ text, at }: Token, before: Token | undefined): Bracket {
  const kind = text === '{' ? 'map' : text === '[' && !(before && endsOperand(before)) ? 'list' : 'other';
  return { kind, at, hasOptional: false, isOptional: false, conditions: 0 };
}

/** Whether a bracket behind it is an index. */
function endsOperand({ kind, text }: Token): boolean {
  if (kind === 'SIGN') return text === ')' || text === ']' || text === '}';
  return kind !== 'KEYWORD' || text !== 'in';
}

/** For a sign directly within the bracket. */
function editsFor({ text, at }: Token, before: Token | undefined, inside: Bracket): Edit[] {
  if (inside.kind === 'other') return [];
  const isStart = before?.kind === 'SIGN' && ['[', '{', ','].includes(before.text);
  if (text === '?' && isStart) {
    inside.hasOptional = true;
    inside.isOptional = true;
    return [{ at, length: 1, text: inside.kind === 'list' ? `${entry}(` : '' }];
  }
  if (text === '?' && before?.text !== '.') inside.conditions++;
  else if (text === ':' && inside.conditions > 0) inside.conditions--;
  else if (text === ':' && inside.isOptional) return [{ at: at + 1, length: 0, text: `${entry}(` }];
  else if ((text === ',' || text === ']' || text === '}') && inside.isOptional) {
    inside.isOptional = false;
    return [{ at, length: 0, text: ')' }];
  }
  return [];
}

function edited(source: string, edits: Edit[]): string {
  let out = '';
  let done = 0;
  for (const { at, length, text } of edits.sort((left, right) => left.at - right.at)) {
    out += source.slice(done, at) + text;
    done = at + length;
  }
  return out + source.slice(done);
}
