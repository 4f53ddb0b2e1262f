/** In which fields two versions of an object differ. */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { equalJson, ownValue } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';
import { type FieldSet, inElementOrder, isEmptySet, type MutableFieldSet, member } from './field-set.ts';
import { memberFor } from './typed-fields.ts';
import { asList, asObject, childNode, indexItems, isEmptyObject, type Node, shapeOf } from './typed-value.ts';

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
    if (shape === 'object' && (isJsonObject(old) || isJsonObject(next))) {
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
    const text = isJsonObject(item) ? ownValue(item, name) : undefined;
    if (typeof text !== 'string') return undefined;
    items.set(text, item as JsonObject);
  }
  return items.size === list.length ? items : undefined;
}
