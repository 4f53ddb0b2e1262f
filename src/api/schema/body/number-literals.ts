/**
 * Numbers of a JSON text that are not written as Go writes their values, such as `1.0`, `1e3` and `1e400`. What counts of
 * them is the text: an integer has neither a fraction nor an exponent to Go, and a quantity keeps its exponent.
 */
import { exactInteger } from '../../../base/text/exact-json.ts';

/** By the place of each, see {@link placeOf}. */
export type NumberLiterals = ReadonlyMap<string, string>;

type Path = readonly (string | number)[];

/** Nearly no text has anything like it, and that is quickly seen; in strings there is, such as the tags of images. */
const oddNumber = /[:[,]\s*-?(?:\d+[.eE]|\d{16})/;
const strings = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

type Reviver = (this: object, key: string, value: unknown, context: { source?: string }) => unknown;

/** Of a valid JSON text; undefined when there are none. */
export function oddNumbersIn(text: string): NumberLiterals | undefined {
  if (!oddNumber.test(text) || !oddNumber.test(text.replace(strings, '""'))) return undefined;
  const byHolder = new Map<object, Map<string, string>>();
  const revive: Reviver = function (key, value, { source }) {
    if (typeof value !== 'number' || source === undefined || isUsual(source, value)) return value;
    const known = byHolder.get(this);
    if (known) known.set(key, source);
    else byHolder.set(this, new Map([[key, source]]));
    return value;
  };
  const value: unknown = JSON.parse(text, revive as (key: string, value: unknown) => unknown);
  if (byHolder.size === 0) return undefined;
  const out = new Map<string, string>();
  collect(value, [], byHolder, out);
  return out;
}

function isUsual(source: string, value: number): boolean {
  return source === JSON.stringify(value) || exactInteger(source) !== undefined;
}

function collect(
  value: unknown,
  path: (string | number)[],
  byHolder: ReadonlyMap<object, ReadonlyMap<string, string>>,
  out: Map<string, string>,
): void {
  if (typeof value !== 'object' || value === null) return;
  const isList = Array.isArray(value);
  for (const [key, source] of byHolder.get(value) ?? [])
    out.set(placeOf([...path, isList ? Number(key) : key]), source);
  for (const key of Object.keys(value)) {
    path.push(isList ? Number(key) : key);
    collect((value as Record<string, unknown>)[key], path, byHolder, out);
    path.pop();
  }
}

/** The way from the root: names of fields, and indexes of lists. */
export function placeOf(path: Path): string {
  return JSON.stringify(path);
}

/** The opposite. */
export function pathOfPlace(place: string): Path {
  return JSON.parse(place);
}

/** The first that no floating-point number holds. */
export function tooLargeNumberIn(literals: NumberLiterals | undefined): string | undefined {
  for (const literal of literals?.values() ?? []) if (!Number.isFinite(Number(literal))) return literal;
  return undefined;
}
