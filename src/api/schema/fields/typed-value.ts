/**
 * Objects seen through their schema, as server-side apply sees them: what is a leaf with one owner, what a list's items
 * are known by. Where the schema says nothing, objects are merged by key and lists replaced as a whole.
 */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { ownValue } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';
import { keyElement } from './field-set.ts';

export type Node = SchemaNode | undefined;

/** A value does not fit what the schema says of it, in upstream's words: `.spec.replicas: expected numeric …`. */
export class TypedValueError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TypedValueError';
  }
}

type Shape = 'leaf' | 'object' | 'list';

/** How a value is looked at: a leaf has one owner as a whole. */
export function shapeOf(node: Node, value: unknown): Shape {
  if (node === undefined || node.type === 'deduced') return isJsonObject(value) ? 'object' : 'leaf';
  if (isAtomic(node)) return 'leaf';
  return node.type === 'list' ? 'list' : 'object';
}

/** Whether the value at a node has a single set of owners. */
export function isAtomic(node: SchemaNode): boolean {
  switch (node.type) {
    case 'object':
    case 'map':
      return node.atomic === true;
    case 'list':
      return node.listType !== 'map' && node.listType !== 'set';
    case 'deduced':
      return false;
    default:
      return true;
  }
}

export function childNode(node: Node, key: string): Node {
  const field = node?.fields?.get(key);
  return field ? field.node : node?.element;
}

/** Whether `key` is a field that the schema names, unlike the key of a map. */
export function isNamedField(node: Node, key: string): boolean {
  return node?.fields?.has(key) ?? false;
}

export function asObject(value: unknown): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined;
}

export function asList(value: unknown): unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

export function isEmptyObject(value: JsonObject | undefined): boolean {
  for (const _ in value) return false;
  return true;
}

/** The path element of a list's item. @throws {TypedValueError} */
export function itemElement(node: SchemaNode, item: unknown): string {
  if (node.listType === 'set') {
    if (isJsonObject(item))
      throw new TypedValueError("associative list without keys has an element that's a map type");
    if (Array.isArray(item))
      throw new TypedValueError('not supported: associative list with lists as elements');
    if (item === null || item === undefined) {
      throw new TypedValueError("associative list without keys has an element that's an explicit null");
    }
    return `v:${JSON.stringify(item)}`;
  }
  if (!isJsonObject(item)) {
    throw new TypedValueError(
      item === null
        ? 'associative list with keys may not have a null element'
        : 'associative list with keys may not have non-map elements',
    );
  }
  const keys: [string, unknown][] = [];
  const names = node.listMapKeys ?? [];
  for (const name of names) {
    const value = ownValue(item, name) ?? node.element?.fields?.get(name)?.keyDefault;
    if (value !== undefined) keys.push([name, value]);
  }
  if (names.length > 0 && keys.length === 0) {
    throw new TypedValueError(
      `associative list with keys has an element that omits all key fields [${names.map((name) => JSON.stringify(name)).join(' ')}] (and doesn't have default values for any key fields)`,
    );
  }
  return keys.length === 1
    ? `k:{${JSON.stringify(keys[0]![0])}:${JSON.stringify(keys[0]![1])}}`
    : keyElement(keys);
}

/** What lists have at their elements. */
interface ItemIndex {
  /** In order; of items that share an element the first. */
  items: Map<string, unknown>;
  /** All items of each element that several share. */
  shared: Map<string, unknown[]>;
}

export function indexItems(node: SchemaNode, list: unknown[] = []): ItemIndex {
  const items = new Map<string, unknown>();
  const shared = new Map<string, unknown[]>();
  for (const item of list) {
    const element = itemElement(node, item);
    const count = items.size;
    const first = items.get(element);
    if (first === undefined) items.set(element, item);
    if (items.size > count) continue;
    const same = shared.get(element);
    if (same) same.push(item);
    else shared.set(element, [first, item]);
  }
  return { items, shared };
}
