/** Two objects merged, and fields taken out of one. */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { setKey } from '../decode.ts';
import { ownValue } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';
import { below, type FieldSet, hasMember } from './field-set.ts';
import {
  asList,
  asObject,
  childNode,
  isEmptyObject,
  itemElement,
  type Node,
  shapeOf,
} from './typed-value.ts';

/** `config` over `live`. Neither is changed; the result shares with both. @throws {TypedValueError} */
export function mergeTyped(live: JsonObject, config: JsonObject, node: Node): JsonObject {
  return mergeValues(live, config, node) as JsonObject;
}

function mergeValues(live: unknown, config: unknown, node: Node): unknown {
  if (config === undefined) return live;
  const shape = shapeOf(node, config) === 'leaf' ? shapeOf(node, live) : shapeOf(node, config);
  if (shape === 'object' && (config === null || isJsonObject(config))) {
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
  if (shape === 'object' && isJsonObject(value)) {
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
