/** What is wrong with `'…'.format([…])`, as far as the literals and the types of the values show it. */
import type { Problem } from './tokens.ts';
import type { Tree } from './tree.ts';
import { type CelType, typeText } from './types.ts';

type Call = Tree & { op: 'call' };

/** What begins with a percent sign; an unknown verb is in the group of its own. */
export const clause = /%(?:(%)|(?:(\.)(\d*))?(.?))/gsu;

/** Why a clause with a precision cannot be read. */
export function precisionProblem(digits: string, verb: string): string | undefined {
  const place = 'error while parsing precision';
  if (verb === '') return `${place}: could not find end of precision specifier`;
  if (digits !== '') return undefined;
  return `${place}: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax`;
}

/** What values of other types are told. */
export const formatWords = {
  s: 'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
  d: 'decimal clause can only be used on integers',
  f: 'fixed-point clause can only be used on doubles',
  e: 'scientific clause can only be used on doubles',
  b: 'only integers and bools can be formatted as binary',
  x: 'only integers, byte buffers, and strings can be formatted as hex',
  X: 'only integers, byte buffers, and strings can be formatted as hex',
  o: 'octal clause can only be used on integers',
} as const;

const printable = 'list map int uint double bool string timestamp bytes duration type null'.split(' ');
const taken: Readonly<Record<string, readonly string[]>> = {
  s: printable,
  d: ['int', 'uint'],
  // The words for what is no number are texts.
  f: ['double', 'string'],
  e: ['double', 'string'],
  b: ['int', 'uint', 'bool'],
  x: ['int', 'uint', 'string', 'bytes'],
  X: ['int', 'uint', 'string', 'bytes'],
  o: ['int', 'uint'],
};

/** The first problem. `template`: what the text says. */
export function formatProblem(
  template: string,
  call: Call,
  typeOf: (tree: Tree) => CelType,
): Problem | undefined {
  const [list] = call.args;
  if (list?.op !== 'list') return undefined;
  const values = list.items.map(({ tree }) => tree);
  let next = 0;
  for (const [, percent, dot, digits = '', verb = ''] of template.matchAll(clause)) {
    if (percent) continue;
    const value = values[next];
    if (verb === '' && !dot) return { at: call.at, text: 'unexpected end of string' };
    if (!value) return { at: call.at, text: `index ${next} out of range` };
    next++;
    const words = formatWords[verb as keyof typeof formatWords];
    const unreadable =
      (dot ? precisionProblem(digits, verb) : undefined) ??
      (words ? undefined : `unrecognized formatting clause "${verb}"`);
    if (unreadable) return { at: call.at, text: `could not parse formatting clause: ${unreadable}` };
    const wrong =
      verb === 's' ? unprintable(value, typeOf) : isTaken(verb, typeOf(value)) ? undefined : value;
    if (wrong)
      return {
        at: wrong.at,
        text: `error during formatting: ${words}, was given ${typeName(typeOf(wrong))}`,
      };
  }
  if (values.length <= next) return undefined;
  return {
    at: call.at,
    text: `too many arguments supplied to string.format (expected ${next}, got ${values.length})`,
  };
}

/** The part of a value that no text can show; literals are looked into. */
function unprintable(value: Tree, typeOf: (tree: Tree) => CelType): Tree | undefined {
  if (!isTaken('s', typeOf(value))) return value;
  const parts =
    value.op === 'list'
      ? value.items.map(({ tree }) => tree)
      : value.op === 'map'
        ? value.entries.flatMap((entry) => [entry.key, entry.value])
        : [];
  for (const part of parts) {
    const found = unprintable(part, typeOf);
    if (found) return found;
  }
  return undefined;
}

function isTaken(verb: string, { kind }: CelType): boolean {
  return kind === 'dyn' || kind === 'error' || taken[verb]!.includes(kind);
}

function typeName(type: CelType): string {
  const names: Partial<Record<CelType['kind'], string>> = {
    null: 'null_type',
    optional: 'optional_type',
    timestamp: 'google.protobuf.Timestamp',
    duration: 'google.protobuf.Duration',
    list: 'list',
    map: 'map',
    type: 'type',
  };
  return names[type.kind] ?? typeText(type);
}
