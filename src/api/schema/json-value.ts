/** Plain JSON values: copies, comparison, and how upstream's messages print them. */
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { setKey } from './decode.ts';

/** Without keys whose value is undefined. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const copy = new Array<unknown>(value.length);
    for (let index = 0; index < value.length; index++) copy[index] = cloneJson(value[index]);
    return copy as T;
  }
  const copy: JsonObject = {};
  for (const key in value) {
    const item = (value as JsonObject)[key];
    if (item !== undefined) setKey(copy, key, cloneJson(item));
  }
  return copy as T;
}

/** A key whose value is undefined counts as absent. */
export function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    for (let index = 0; index < left.length; index++) {
      if (!equalJson(left[index], right[index])) return false;
    }
    return true;
  }
  for (const key in left) {
    if (!equalJson((left as JsonObject)[key], ownValue(right as JsonObject, key))) return false;
  }
  for (const key in right) {
    if ((right as JsonObject)[key] !== undefined && ownValue(left as JsonObject, key) === undefined) {
      return false;
    }
  }
  return true;
}

/** The same value, in which the keys of all objects are sorted, as Go writes maps. */
export function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (!isJsonObject(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value).sort()) setKey(out, key, sortedKeys(value[key]));
  return out;
}

/** The value of an own property: inherited ones such as `toString` are no members of a JSON object. */
export function ownValue(object: JsonObject, key: string): unknown {
  const value = object[key];
  // All that an object inherits are functions, and its prototype.
  if (typeof value !== 'function' && key !== '__proto__') return value;
  return Object.hasOwn(object, key) ? value : undefined;
}

/** As Go's `%v` prints it: `map[a:1 b:[x y]]`. */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (isJsonObject(value)) {
    const entries = Object.keys(value)
      .sort()
      .map((key) => `${key}:${goText(value[key])}`);
    return `map[${entries.join(' ')}]`;
  }
  return String(value);
}

/** As Go's `%#v` prints a value that was read from JSON. */
export function goSyntax(value: unknown): string {
  if (value === null) return 'interface {}(nil)';
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`;
  if (typeof value !== 'object') return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${goSyntax((value as Record<string, unknown>)[key])}`);
  return `map[string]interface {}{${entries.join(', ')}}`;
}
