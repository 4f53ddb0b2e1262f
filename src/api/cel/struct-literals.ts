/**
 * Objects of named types in expressions: `Object.spec{replicas: 3}`, `JSONPatch{op: "remove", path: "/x"}`. The CEL
 * library supports only maps, so such literals are parsed as maps, those of objects in calls that note their types'
 * names; whether their fields exist is checked when they are merged.
 */
import { naming } from './libraries/named-objects.ts';

/** String literals and comments, which are left alone; dotted names; and everything in between. */
const tokens =
  /([rR]?"""[\s\S]*?"""|[rR]?'''[\s\S]*?'''|[rR]?"(?:\\.|[^"\\])*"|[rR]?'(?:\\.|[^'\\])*'|\/\/[^\n]*)|([A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)|(\s+)|([\s\S])/g;

const typeName = /^(Object(\s*\.\s*\w+)*|JSONPatch)$/;

/** What a bracket encloses: fields of an object have bare names, keys of a map are expressions. */
type Bracket = 'object' | 'patch' | 'other';

/** The expression with map literals in place of object literals. */
export function withMapsForObjects(source: string): string {
  if (!source.includes('Object') && !source.includes('JSONPatch')) return source;
  const open: Bracket[] = [];
  let out = '';
  /** A type's name that an opening brace may follow. */
  let held = '';
  /** The last token that is no space. */
  let before = '';
  for (const [text, literal, name, space] of source.matchAll(tokens)) {
    if (space !== undefined) {
      if (held) held += text;
      else out += text;
      continue;
    }
    if (held && text !== '{') {
      out += held;
      held = '';
    }
    if (name !== undefined && typeName.test(name) && before !== '.') held = text;
    else if (name !== undefined && isFieldName(open, before)) out += JSON.stringify(text);
    else if (literal !== undefined || name !== undefined) out += text;
    else if (text === '{' && held) {
      const type = held.replaceAll(/\s/g, '');
      open.push(type === 'JSONPatch' ? 'patch' : 'object');
      out += type === 'JSONPatch' ? text : `${naming}(${JSON.stringify(type)}, {`;
      held = '';
    } else {
      if (text === '{' || text === '(' || text === '[') open.push('other');
      const closed = text === '}' || text === ')' || text === ']' ? open.pop() : undefined;
      out += closed === 'object' ? `${text})` : text;
    }
    before = isOptionalMark(open, before, text) ? before : text;
  }
  return out + held;
}

function isFieldName(open: readonly Bracket[], before: string): boolean {
  return open.length > 0 && open.at(-1) !== 'other' && (before === '{' || before === ',');
}

/** `?field: value`: the field is present if the optional value is. */
function isOptionalMark(open: readonly Bracket[], before: string, text: string): boolean {
  return text === '?' && isFieldName(open, before);
}
