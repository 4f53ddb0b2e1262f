/** Which fields an object has. */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import {
  below,
  type FieldSet,
  finishNode,
  hasMember,
  inElementOrder,
  member,
  startNode,
} from './field-set.ts';
import { childNode, indexItems, isEmptyObject, isNamedField, type Node, shapeOf } from './typed-value.ts';

/** The node of a value that is a member, with all fields below it. */
export function memberFor(value: unknown, node: Node): FieldSet {
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
  if (shape === 'object' && isJsonObject(value)) {
    for (const key of inElementOrder(Object.keys(value))) {
      const item = value[key];
      if (item === undefined) continue;
      const child = childNode(node, key);
      const isMember =
        purpose === 'comparison' ||
        !isNamedField(node, key) ||
        shapeOf(child, item) === 'leaf' ||
        item === null ||
        (isJsonObject(item) && isEmptyObject(item));
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

/** The fields that an applied object lays claim to. */
export function fieldsOf(object: JsonObject, node: Node): FieldSet | undefined {
  return nodeFor(object, node, { purpose: 'ownership', isSelf: false });
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
