/**
 * Objects seen through their schema, as server-side apply sees them: which fields two versions of an object differ in,
 * which fields an object has, two objects merged, fields taken out. Where the schema says nothing, objects are merged
 * by key and lists replaced as a whole.
 */
import { isObject, type JsonObject, setKey } from '../decode.ts';
import { equalJson, ownValue } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';
import {
  below,
  type FieldSet,
  finishNode,
  hasMember,
  inElementOrder,
  isEmptySet,
  keyElement,
  type MutableFieldSet,
  member,
  startNode,
} from './field-set.ts';

type Node = SchemaNode | undefined;

/** A value does not fit what the schema says of it, in upstream's words: `.spec.replicas: expected numeric …`. */
export class TypedValueError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TypedValueError';
  }
}

type Shape = 'leaf' | 'object' | 'list';

/** How a value is looked at: a leaf has one owner as a whole. */
function shapeOf(node: Node, value: unknown): Shape {
  if (node === undefined) return isObject(value) ? 'object' : 'leaf';
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
    default:
      return true;
  }
}

export function childNode(node: Node, key: string): Node {
  const field = node?.fields?.get(key);
  return field ? field.node : node?.element;
}

/** Whether `key` is a field that the schema names, unlike the key of a map. */
function isNamedField(node: Node, key: string): boolean {
  return node?.fields?.has(key) ?? false;
}

function asObject(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

function asList(value: unknown): unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function isEmptyObject(value: JsonObject | undefined): boolean {
  for (const _ in value) return false;
  return true;
}

/** The path element of a list's item. @throws {TypedValueError} */
export function itemElement(node: SchemaNode, item: unknown): string {
  if (node.listType === 'set') {
    if (isObject(item))
      throw new TypedValueError("associative list without keys has an element that's a map type");
    if (Array.isArray(item))
      throw new TypedValueError('not supported: associative list with lists as elements');
    if (item === null || item === undefined) {
      throw new TypedValueError("associative list without keys has an element that's an explicit null");
    }
    return `v:${JSON.stringify(item)}`;
  }
  if (!isObject(item)) {
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

function indexItems(node: SchemaNode, list: unknown[] = []): ItemIndex {
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

export interface Comparison {
  removed: FieldSet | undefined;
  modified: FieldSet | undefined;
  added: FieldSet | undefined;
}

/** In which fields `next` differs from `old`. */
export function compareTyped(old: JsonObject, next: JsonObject, node: Node): Comparison {
  const fields = new DifferingFields();
  fields.compareObjects(old, next, node);
  const nonEmpty = (set: MutableFieldSet) => (isEmptySet(set) ? undefined : set);
  return {
    removed: nonEmpty(fields.removed),
    modified: nonEmpty(fields.modified),
    added: nonEmpty(fields.added),
  };
}

/** The fields below one element in which two values differ. */
class DifferingFields {
  readonly removed: MutableFieldSet = {};
  readonly modified: MutableFieldSet = {};
  readonly added: MutableFieldSet = {};

  compareObjects(old: JsonObject | undefined, next: JsonObject | undefined, node: Node): void {
    for (const key of inElementOrder(Object.keys(next ?? {}))) {
      const value = next![key];
      if (value === undefined) continue;
      const before = old === undefined ? undefined : ownValue(old, key);
      if (before !== value) this.#compareAt(`f:${key}`, before, value, childNode(node, key));
    }
    for (const key of inElementOrder(Object.keys(old ?? {}))) {
      if (old![key] !== undefined && (next === undefined || ownValue(next, key) === undefined)) {
        this.#compareAt(`f:${key}`, old![key], undefined, childNode(node, key));
      }
    }
  }

  /** Compares the values at an element; undefined: there is none (unlike null). */
  #compareAt(element: string, old: unknown, next: unknown, node: Node): void {
    if (next === undefined) {
      this.removed[element] = memberFor(old, node);
      return;
    }
    if (old === undefined) {
      this.added[element] = memberFor(next, node);
      return;
    }
    const shape = shapeOf(node, next) === 'leaf' ? shapeOf(node, old) : shapeOf(node, next);
    if (shape === 'object' && (isObject(old) || isObject(next))) {
      const left = asObject(old);
      const right = asObject(next);
      if (!isEmptyObject(left) || !isEmptyObject(right)) {
        const inner = new DifferingFields();
        inner.compareObjects(left, right, node);
        this.#addBelow(element, inner);
        return;
      }
    } else if (shape === 'list') {
      const left = asList(old);
      const right = asList(next);
      if ((left?.length ?? 0) > 0 || (right?.length ?? 0) > 0) {
        const inner = new DifferingFields();
        inner.#compareLists(left, right, node!);
        this.#addBelow(element, inner);
        return;
      }
    }
    if (!equalJson(old, next)) this.modified[element] = member;
  }

  #addBelow(element: string, inner: DifferingFields): void {
    if (!isEmptySet(inner.removed)) this.removed[element] = inner.removed;
    if (!isEmptySet(inner.modified)) this.modified[element] = inner.modified;
    if (!isEmptySet(inner.added)) this.added[element] = inner.added;
  }

  #compareLists(old: unknown[] | undefined, next: unknown[] | undefined, node: SchemaNode): void {
    if (!this.#compareNamedItems(old ?? [], next ?? [], node)) this.#compareIndexed(old, next, node);
  }

  /**
   * The quick way for most lists, whose items have a string as their only key and no key twice. False, with nothing
   * noted, for any other list. Unchanged items need no path element.
   */
  #compareNamedItems(old: readonly unknown[], next: readonly unknown[], node: SchemaNode): boolean {
    const name = node.listMapKeys?.length === 1 ? node.listMapKeys[0]! : undefined;
    const before = name === undefined ? undefined : itemsByText(old, name);
    const after = before && itemsByText(next, name!);
    if (!after) return false;
    const compare = (text: string, left: unknown, right: unknown) => {
      if (left === right) return;
      this.#compareAt(`k:{${JSON.stringify(name)}:${JSON.stringify(text)}}`, left, right, node.element);
    };
    for (const [text, item] of before) compare(text, item, after.get(text));
    for (const [text, item] of after) if (!before.has(text)) compare(text, undefined, item);
    return true;
  }

  #compareIndexed(old: unknown[] | undefined, next: unknown[] | undefined, node: SchemaNode): void {
    const before = indexItems(node, old);
    const after = indexItems(node, next);
    const compare = (element: string) => {
      const left = before.shared.get(element);
      const right = after.shared.get(element);
      if (!left && !right) {
        this.#compareAt(element, before.items.get(element), after.items.get(element), node.element);
      } else if (left && right) {
        // Items that share a key cannot be told apart: they are compared as a whole.
        if (!equalJson(left, right)) this.modified[element] = member;
      } else if (left) {
        const only = after.items.get(element);
        if (only !== undefined) this.#compareAt(element, undefined, only, node.element);
        this.removed[element] = member;
      } else {
        const only = before.items.get(element);
        if (only !== undefined) this.#compareAt(element, only, undefined, node.element);
        this.added[element] = member;
      }
    };
    for (const element of before.items.keys()) compare(element);
    for (const element of after.items.keys()) if (!before.items.has(element)) compare(element);
  }
}

/** Undefined when an item has no such text, or shares it with another. */
function itemsByText(list: readonly unknown[], name: string): Map<string, JsonObject> | undefined {
  const items = new Map<string, JsonObject>();
  for (const item of list) {
    const text = isObject(item) ? ownValue(item, name) : undefined;
    if (typeof text !== 'string') return undefined;
    items.set(text, item as JsonObject);
  }
  return items.size === list.length ? items : undefined;
}

/** The node of a value that is a member, with all fields below it. */
function memberFor(value: unknown, node: Node): FieldSet {
  return nodeFor(value, node, { purpose: 'comparison', isSelf: true })!;
}

interface NodeUse {
  /**
   * For a comparison every field on the way counts; the set of an applied object has the leaves and what the schema does
   * not name.
   */
  purpose: 'comparison' | 'ownership';
  /** Whether the value itself is a member. */
  isSelf: boolean;
}

/** The node of a value, with the fields below it; undefined when there are none and it is no member itself. */
function nodeFor(value: unknown, node: Node, { purpose, isSelf }: NodeUse): FieldSet | undefined {
  const shape = shapeOf(node, value);
  const out = startNode(isSelf);
  if (shape === 'object' && isObject(value)) {
    for (const key of inElementOrder(Object.keys(value))) {
      const item = value[key];
      if (item === undefined) continue;
      const child = childNode(node, key);
      const isMember =
        purpose === 'comparison' ||
        !isNamedField(node, key) ||
        shapeOf(child, item) === 'leaf' ||
        item === null ||
        isEmptyStruct(child, item);
      const below = nodeFor(item, child, { purpose, isSelf: isMember });
      if (below) out[`f:${key}`] = below;
    }
  } else if (shape === 'list' && Array.isArray(value)) {
    const { items, shared } = indexItems(node!, value);
    for (const element of inElementOrder([...items.keys()])) {
      const item = items.get(element);
      out[element] = shared.has(element) ? member : nodeFor(item, node!.element, { purpose, isSelf: true })!;
    }
  }
  return finishNode(out);
}

/**
 * An empty map has no owner: it has no meaning, and is not stored. An empty struct may mean something (`emptyDir: {}`).
 */
function isEmptyStruct(node: Node, value: unknown): boolean {
  return node?.type !== 'map' && isObject(value) && isEmptyObject(value);
}

/** The fields that an applied object lays claim to. */
export function fieldsOf(object: JsonObject, node: Node): FieldSet | undefined {
  return nodeFor(object, node, { purpose: 'ownership', isSelf: false });
}

/** `config` over `live`. Neither is changed; the result shares with both. @throws {TypedValueError} */
export function mergeTyped(live: JsonObject, config: JsonObject, node: Node): JsonObject {
  return mergeValues(live, config, node) as JsonObject;
}

function mergeValues(live: unknown, config: unknown, node: Node): unknown {
  if (config === undefined) return live;
  const shape = shapeOf(node, config) === 'leaf' ? shapeOf(node, live) : shapeOf(node, config);
  if (shape === 'object' && (config === null || isObject(config))) {
    const left = asObject(live);
    const right = asObject(config);
    if (isEmptyObject(left) && isEmptyObject(right)) return config;
    const out: JsonObject = {};
    for (const key in left) {
      const merged = mergeValues(left[key], right && ownValue(right, key), childNode(node, key));
      if (merged !== undefined) setKey(out, key, merged);
    }
    for (const key in right) {
      if (left === undefined || ownValue(left, key) === undefined) {
        setKey(out, key, mergeValues(undefined, right[key], childNode(node, key)));
      }
    }
    return out;
  }
  if (shape === 'list' && (config === null || Array.isArray(config))) {
    const left = asList(live) ?? [];
    const right = asList(config) ?? [];
    return left.length === 0 && right.length === 0 ? config : mergeLists(left, right, node!);
  }
  return config;
}

/** The order of `config` decides for what both have; what only `live` has keeps its place among those. */
function mergeLists(live: unknown[], config: unknown[], node: SchemaNode): unknown[] {
  const liveItems = live.map((item) => ({ element: itemElement(node, item), item }));
  const configItems = config.map((item) => ({ element: itemElement(node, item), item }));
  const liveByElement = new Map<string, unknown>();
  for (const { element, item } of liveItems) {
    // Items that share a key are replaced, not merged.
    liveByElement.set(element, liveByElement.has(element) ? undefined : item);
  }
  const configByElement = new Map(configItems.map(({ element, item }) => [element, item]));
  const shared = configItems
    .filter(({ element }) => liveByElement.has(element))
    .map(({ element }) => element);

  const out: unknown[] = [];
  const emitted = new Set<string>();
  let nextShared = 0;
  let at = 0;
  for (const { element, item } of configItems) {
    while (at < liveItems.length) {
      const current = liveItems[at]!;
      if (!configByElement.has(current.element)) out.push(current.item);
      else if (current.element === element || current.element === shared[nextShared]) break;
      // Any other that both have comes, or came, at its place in the config.
      at++;
    }
    emitted.add(element);
    out.push(mergeValues(liveByElement.get(element), item, node.element));
    if (liveItems[at]?.element === element) at++;
    if (shared[nextShared] === element) nextShared++;
  }
  for (; at < liveItems.length; at++) {
    const current = liveItems[at]!;
    if (!configByElement.has(current.element) && !emitted.has(current.element)) out.push(current.item);
  }
  return out;
}

/** `object` without the members of `set`. Not changed; the result shares with it. */
export function removeFields(object: JsonObject, set: FieldSet | undefined, node: Node): JsonObject {
  return (removeBelow(object, set, node) as JsonObject | undefined) ?? {};
}

function removeBelow(value: unknown, set: FieldSet | undefined, node: Node): unknown {
  if (!set) return value;
  const shape = shapeOf(node, value);
  if (shape === 'object' && isObject(value)) {
    const out: JsonObject = {};
    for (const key in value) {
      const element = `f:${key}`;
      if (!hasMember(set, element))
        setKey(out, key, removeBelow(value[key], below(set, element), childNode(node, key)));
    }
    return out;
  }
  if (shape === 'list' && Array.isArray(value)) {
    const out: unknown[] = [];
    for (const item of value) {
      const element = itemElement(node!, item);
      if (!hasMember(set, element)) out.push(removeBelow(item, below(set, element), node!.element));
    }
    return out;
  }
  return value;
}

/** Adds the fields that the schema names and that only have members below them. */
export function withNamedFields(set: FieldSet | undefined, node: Node): FieldSet | undefined {
  return set && namedBelow(set, node, false);
}

function namedBelow(set: FieldSet | undefined, node: Node, isSelf: boolean): FieldSet | undefined {
  const out = startNode(isSelf);
  for (const element in set) {
    if (element === '.') continue;
    const key = element.slice(2);
    const isField = element.startsWith('f:');
    const child = isField ? childNode(node, key) : node?.element;
    const isMember = hasMember(set, element) || (isField && isNamedField(node, key));
    const inner = namedBelow(below(set, element), child, isMember);
    if (inner) out[element] = inner;
  }
  return finishNode(out);
}
