/** The structure of configuration files: which fields they have, and of which type. */

/** A list holds the shape of its items. */
export type Shape =
  | 'anything'
  | 'text'
  | 'flag'
  | 'number'
  | readonly [Shape]
  | { readonly [field: string]: Shape };

/** What a strict reader says of each; also of a value of another form than its field has. */
export function unknownFields(shape: Shape, value: object): string[] {
  return [...problems(shape, value, '')].map(({ text }) => text);
}

/** What a lenient reader says, that passes over fields which it does not know. */
export function misfits(shape: Shape, value: object): string[] {
  return [...problems(shape, value, '')].filter(({ isUnknown }) => !isUnknown).map(({ text }) => text);
}

interface Problem {
  text: string;
  isUnknown?: boolean;
}

function* problems(shape: Shape, value: unknown, path: string): Generator<Problem> {
  if (value === undefined || value === null || shape === 'anything') return;
  if (shape === 'text') {
    if (typeof value !== 'string') yield { text: `${path}: a string is wanted` };
  } else if (shape === 'flag') {
    if (typeof value !== 'boolean') yield { text: `${path}: true or false is wanted` };
  } else if (shape === 'number') {
    if (typeof value !== 'number' || !Number.isFinite(value)) yield { text: `${path}: a number is wanted` };
  } else if (isList(shape)) {
    if (!Array.isArray(value)) yield { text: `${path}: a list is wanted` };
    else
      for (const [index, item] of value.entries())
        if (item === null) yield { text: `${path}[${index}]: null is nothing` };
        else yield* problems(shape[0], item, `${path}[${index}]`);
  } else if (typeof value !== 'object' || Array.isArray(value))
    yield { text: `${path || 'the file'}: an object is wanted` };
  else
    for (const [key, child] of Object.entries(value)) {
      const field = path ? `${path}.${key}` : key;
      if (Object.hasOwn(shape, key)) yield* problems(shape[key]!, child, field);
      else yield { text: `unknown field "${field}"`, isUnknown: true };
    }
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}

/** A field that is null is one that was not said. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const present = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(present.map(([key, child]) => [key, withoutNulls(child)]));
}

/** All that is wrong, as one error in upstream's form. */
export function throwAll(texts: readonly string[]): void {
  if (texts.length === 1) throw new Error(texts[0]);
  if (texts.length > 1) throw new Error(`[${texts.join(', ')}]`);
}
