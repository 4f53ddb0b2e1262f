/** Paths such as `.spec.color` or `.labels['a.b']`, by which a definition names a field of its schema. */
import { propertySchema, type StructuralSchema } from '../structural/schema.ts';

/** The schema at the path, or why there is none, in upstream's words. */
export type FoundField = { schema: StructuralSchema; steps: string[] } | { problem: string };

const tokens = /'(?:\\.|[^'\\])*'|[.[\]]|[^.[\]']+|'/g;
const notDeclared: FoundField = { problem: 'does not refer to a valid field' };
const tooShort: FoundField = { problem: 'unexpected end of JSON path' };
const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
};

/** `allowsKeys`: names may stand in brackets. */
export function findField(
  path: string,
  root: StructuralSchema,
  { allowsKeys }: { allowsKeys: boolean },
): FoundField {
  const parts = path.match(tokens) ?? [];
  const steps: string[] = [];
  let schema = root;
  for (let at = 0; at < parts.length; ) {
    const delimiter = parts[at]!;
    if (delimiter !== '.' && delimiter !== '[') return { problem: `expected [ or . but got: ${delimiter}` };
    if (delimiter === '[' && !allowsKeys) return { problem: 'array notation is not allowed' };
    const part = parts[at + 1];
    if (part === undefined) return tooShort;
    const name = delimiter === '.' ? { text: part } : unquoted(part);
    if ('problem' in name) return name;
    const next = stepInto(schema, name.text);
    if (!next) return notDeclared;
    schema = next;
    steps.push(name.text);
    at += 2;
    if (delimiter === '.') continue;
    if (parts[at] === undefined) return tooShort;
    if (parts[at] !== ']') return { problem: `expected ] but got ${parts[at]}` };
    at++;
  }
  return { schema, steps };
}

function stepInto(schema: StructuralSchema, name: string): StructuralSchema | undefined {
  if (schema.properties && !Object.hasOwn(schema.properties, name)) return undefined;
  return propertySchema(schema, name);
}

function unquoted(token: string): { text: string } | { problem: string } {
  if (token.length < 2 || !token.startsWith("'") || !token.endsWith("'"))
    return { problem: `expected single quoted string but got ${token}` };
  const body = token.slice(1, -1);
  const [wrong] = body.match(/\\[^abfnrtv'\\]/) ?? [];
  if (wrong) return { problem: `invalid string literal: invalid escape char ${wrong}` };
  return { text: body.replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter]!) };
}
