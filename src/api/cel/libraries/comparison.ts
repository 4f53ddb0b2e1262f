/** Which values are equal to CEL, and which of two comes first. */
import { Optional } from '@marcbachmann/cel-js';
import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import { equalJson, ownValue } from '../../schema/json-value.ts';

/** Numbers are equal by value, of whatever type they are; lists, maps and optional values by what they hold. */
export function equalValues(left: unknown, right: unknown): boolean {
  const a = numberOf(left);
  const b = numberOf(right);
  if (a === b) return true;
  if (typeof a === 'number' && typeof b === 'bigint') return a === Number(b);
  if (typeof a === 'bigint' && typeof b === 'number') return Number(a) === b;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  return equalObjects(a, b);
}

/** An unsigned integer as the number that it is; anything else as it is. */
function numberOf(value: unknown): unknown {
  return value instanceof UnsignedInt ? value.value : value;
}

/** The library's own objects hide what they hold: by their fields they would all be alike. */
function equalObjects(a: object, b: object): boolean {
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  if (a instanceof Duration) return b instanceof Duration && a.valueOf() === b.valueOf();
  if (a instanceof Optional) return b instanceof Optional && equalOptionals(a, b);
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equalValues(item, b[index]));
  if (isRecord(a) && isRecord(b)) return equalRecords(a, b);
  const [entries, others] = [entriesOf(a), entriesOf(b)];
  if (!entries && !others) return equalJson(a, b);
  return entries !== undefined && others !== undefined && equalMaps(entries, others);
}

export function equalOptionals(left: Optional, right: Optional): boolean {
  if (!left.hasValue() || !right.hasValue()) return left.hasValue() === right.hasValue();
  return equalValues(left.value(), right.value());
}

type Fields = Record<string, unknown>;

function isRecord(value: object): value is Fields {
  return Object.getPrototypeOf(value) === Object.prototype;
}

/** In place: an expression may compare millions. A key whose value is undefined counts as absent. */
function equalRecords(a: Fields, b: Fields): boolean {
  for (const key in a) if (!equalValues(a[key], ownValue(b, key))) return false;
  for (const key in b) if (b[key] !== undefined && ownValue(a, key) === undefined) return false;
  return true;
}

function equalMaps(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (!b.has(key) || !equalValues(value, b.get(key))) return false;
  return true;
}

/** Undefined for what is no map. */
function entriesOf(value: object): ReadonlyMap<unknown, unknown> | undefined {
  if (value instanceof Map) return value;
  if (!isRecord(value)) return undefined;
  return new Map(Object.entries(value).filter(([, held]) => held !== undefined));
}

/** Negative when `left` comes first. @throws Error when the two have no order */
export function compareValues(left: unknown, right: unknown): number {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right);
  const [a, b] = [orderOf(left), orderOf(right)];
  if (typeof a !== typeof b || !['bigint', 'number', 'string', 'boolean'].includes(typeof a)) {
    throw new Error('no such overload: the items cannot be compared');
  }
  if ((a as string) < (b as string)) return -1;
  return (a as string) > (b as string) ? 1 : 0;
}

function orderOf(value: unknown): unknown {
  return value instanceof Date || value instanceof Duration ? value.valueOf() : numberOf(value);
}
