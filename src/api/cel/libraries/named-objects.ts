/**
 * The names of object literals' types. An object is a map whose name is noted beside it: `Object.spec` has to stand in
 * the field `spec` of an `Object`.
 */
import type { Environment } from '@marcbachmann/cel-js';
import { type LibraryNode, nodesOf } from '../library-tree.ts';

/** The function that names a map. */
export const naming = '__named__';

const names = new WeakMap<object, string>();

export function registerNamedObjects(environment: Environment): void {
  environment.registerFunction(`${naming}(string, dyn): dyn`, (name: string, fields: object) => {
    names.set(fields, name);
    return fields;
  });
}

/** Undefined for what is no object of a named type. */
export function typeNameOf(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? names.get(value) : undefined;
}

/** Objects, wherever they are in this one, whose types' names do not say the field in which they are. */
export function misnamedIn(object: unknown): string[] {
  return [...misnamed(object, typeNameOf(object) ?? '')];
}

/** Maps and lists between objects have no part in the path. */
function* misnamed(value: unknown, path: string): Generator<string> {
  if (typeof value !== 'object' || value === null || joined.has(value)) return;
  const name = names.get(value);
  if (name !== undefined && name !== path)
    yield `unexpected type name "${name}", expected "${path}", which matches field name path from root Object type`;
  const entries = value instanceof Map ? value.entries() : Object.entries(value);
  for (const [key, item] of entries) yield* misnamed(item, name === undefined ? path : `${path}.${key}`);
}

/** Lists that `+` made. Upstream does not look at the names in these. */
const joined = new WeakSet<object>();

/** Instruments the tree so that lists made by `+` are noted. For a tree that was checked and not yet evaluated. */
export function noteJoinedLists(tree: unknown): void {
  for (const node of nodesOf(tree)) if (node.op === '+') noteJoined(node as Sum);
}

interface Sum extends LibraryNode {
  handle(left: unknown, right: unknown, ...rest: unknown[]): unknown;
}

function noteJoined(node: Sum): void {
  const add = node.handle;
  node.handle = (left, right, ...rest) => {
    const sum = add(left, right, ...rest);
    if (!Array.isArray(sum)) return sum;
    if (Array.isArray(left) && left.length === 0) return right;
    if (Array.isArray(right) && right.length === 0) return left;
    joined.add(sum);
    return sum;
  };
}
