/** Values inside custom resources, which may have any structure: obstacles are reported in Go's words. */
import { goText } from '../../api/schema/json-value.ts';

/** `absent`: nothing stands there, and nothing in the way of it. */
export type Nested<T> = { value: T } | { absent: true } | { problem: string };

/** `.spec.replicas` and the like. */
export function nestedCount(object: unknown, path: string): Nested<number | bigint> {
  const found = nestedValue(object, path);
  if (!('value' in found)) return found;
  const { value } = found;
  if (typeof value === 'bigint' || Number.isInteger(value)) return { value: value as number | bigint };
  return { problem: wrongType(path, value, 'int64') };
}

export function nestedString(object: unknown, path: string): Nested<string> {
  const found = nestedValue(object, path);
  if (!('value' in found)) return found;
  const { value } = found;
  return typeof value === 'string' ? { value } : { problem: wrongType(path, value, 'string') };
}

function nestedValue(object: unknown, path: string): Nested<unknown> {
  const parts = partsOf(path);
  let value = object;
  for (const [index, part] of parts.entries()) {
    if (value === null) return { absent: true };
    if (!isMap(value)) return { problem: wrongType(textOf(parts, index), value, 'map[string]interface{}') };
    if (!Object.hasOwn(value, part)) return { absent: true };
    value = value[part];
  }
  return { value };
}

/** Sets it, creating the objects around it; a returned text says why that is impossible. */
export function setNestedValue(object: object, path: string, value: unknown): string | undefined {
  const parts = partsOf(path);
  let target = object as Record<string, unknown>;
  for (const [index, part] of parts.slice(0, -1).entries()) {
    if (!Object.hasOwn(target, part)) setOwn(target, part, {});
    const next = target[part];
    if (!isMap(next))
      return `value cannot be set because ${textOf(parts, index)} is not a map[string]interface{}`;
    target = next;
  }
  setOwn(target, parts.at(-1)!, value);
  return undefined;
}

/** Never what all objects inherit: the parts of a path are whatever a definition names. */
function setOwn(target: object, part: string, value: unknown): void {
  Object.defineProperty(target, part, { value, writable: true, enumerable: true, configurable: true });
}

function partsOf(path: string): string[] {
  return path.split('.').filter((part) => part !== '');
}

/** The way to the part at `index`. */
function textOf(parts: readonly string[], index: number): string {
  return `.${parts.slice(0, index + 1).join('.')}`;
}

function wrongType(path: string, value: unknown, expected: string): string {
  return `${path} accessor error: ${goText(value)} is of the type ${goTypeOf(value)}, expected ${expected}`;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function goTypeOf(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (isMap(value)) return 'map[string]interface {}';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number' || typeof value === 'bigint')
    return Number.isInteger(Number(value)) ? 'int64' : 'float64';
  return typeof value;
}
