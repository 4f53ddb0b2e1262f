/** Whether an applied object has the types of its schema, with the errors of upstream's typed values. */
import { parseExactJson } from '../../base/text/exact-json.ts';
import { isObject, type JsonObject } from './decode.ts';
import type { SchemaNode } from './schemas.ts';
import { childNode, itemElement, TypedValueError } from './typed-value.ts';

/** @throws {TypedValueError} */
export function checkTyped(value: unknown, node: SchemaNode | undefined, path = ''): void {
  if (
    value === null ||
    value === undefined ||
    node === undefined ||
    node.type === 'any' ||
    node.type === 'schemaOr'
  ) {
    return;
  }
  switch (node.type) {
    case 'object':
    case 'map':
      if (!isObject(value)) throw new TypedValueError(`${path}: expected map, got ${describe(value)}`);
      for (const key of Object.keys(value)) {
        const child = childNode(node, key);
        if (!child && node.type === 'object' && !node.preserveUnknown) {
          throw new TypedValueError(`${path}.${key}: field not declared in schema`);
        }
        checkTyped(value[key], child, `${path}.${key}`);
      }
      return;
    case 'list':
      if (!Array.isArray(value)) throw new TypedValueError(`${path}: expected list, got ${describe(value)}`);
      checkItems(value, node, path);
      return;
    default:
      checkScalar(value, node, path);
  }
}

function checkItems(list: unknown[], node: SchemaNode, path: string): void {
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    let element = `i:${index}`;
    if (node.listType === 'map' || node.listType === 'set') {
      try {
        element = itemElement(node, item);
      } catch (error) {
        if (!(error instanceof TypedValueError)) throw error;
        throw new TypedValueError(`${path}: element ${index}: ${error.message}`);
      }
      if (seen.has(element))
        throw new TypedValueError(`${path}: duplicate entries for key ${elementLabel(element)}`);
      seen.add(element);
    }
    checkTyped(item, node.element, `${path}${elementLabel(element)}`);
  }
}

function elementLabel(element: string): string {
  const content = element.slice(2);
  if (element.startsWith('v:')) return `[=${content}]`;
  if (element.startsWith('i:')) return `[${content}]`;
  const keys = parseExactJson(content) as JsonObject;
  return `[${Object.entries(keys)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(',')}]`;
}

function checkScalar(value: unknown, node: SchemaNode, path: string): void {
  const type = typeof value;
  switch (node.type) {
    case 'integer':
    case 'number':
      if (type !== 'number' && type !== 'bigint') {
        throw new TypedValueError(`${path}: expected numeric (int or float), got ${goTypeOf(value)}`);
      }
      return;
    case 'boolean':
      if (type !== 'boolean') throw new TypedValueError(`${path}: expected boolean, got ${describe(value)}`);
      return;
    case 'quantity':
    case 'intOrString':
      if (type === 'object')
        throw new TypedValueError(`${path}: expected any scalar, got ${describe(value)}`);
      return;
    default:
      if (type !== 'string') throw new TypedValueError(`${path}: expected string, got ${describe(value)}`);
  }
}

function goTypeOf(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (isObject(value)) return 'map[string]interface {}';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function describe(value: unknown): string {
  return `&value.valueUnstructured{Value:${JSON.stringify(value)}}`;
}
