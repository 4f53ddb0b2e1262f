/** Equality as upstream's validation means it: what is absent equals what is empty. */
import { ownValue } from '../schema/json-value.ts';

/** Deep equality of JSON values in which undefined, null and `[]` are alike (an empty object is something: `emptyDir: {}`). */
export function semanticEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isAbsent(a) || isAbsent(b)) return isAbsent(a) && isAbsent(b);
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a)) return sameItems(a, b as unknown[]);
  return sameFields(a as Record<string, unknown>, b as Record<string, unknown>);
}

function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) && value.length === 0;
}

function sameItems(a: unknown[], b: unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (!semanticEqual(a[index], b[index])) return false;
  return true;
}

function sameFields(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  // Inherited properties (`constructor`, `toString`) are not fields.
  for (const key in a) if (!semanticEqual(a[key], ownValue(b, key))) return false;
  for (const key in b) if (!Object.hasOwn(a, key) && !semanticEqual(undefined, b[key])) return false;
  return true;
}
