/** Whether an applied object has the types of its schema, with the errors of upstream's typed values. */
import { parseExactJson } from '../../../base/text/exact-json.ts';
import { isObject, type JsonObject } from '../decode.ts';
import { goSyntax, goText } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';
import { childNode, itemElement, TypedValueError } from './typed-value.ts';

/** What is wrong, at a path such as `.spec.containers[name="c"].image`; empty for the value itself. */
interface Mistake {
  path: string;
  message: string;
}

/** All mistakes are reported at once. @throws {TypedValueError} */
export function checkTyped(value: unknown, node: SchemaNode | undefined): void {
  const texts = [...mistakesIn(value, node, '')].map(({ path, message }) =>
    path ? `${path}: ${message}` : message,
  );
  if (texts.length === 0) return;
  throw new TypedValueError(texts.length === 1 ? texts[0]! : ['errors:', ...texts].join('\n  '));
}

function* mistakesIn(value: unknown, node: SchemaNode | undefined, path: string): Generator<Mistake> {
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
      if (isObject(value)) yield* mistakesInFields(value, node, path);
      else yield { path, message: `expected map, got ${shown(value)}` };
      return;
    case 'list':
      if (Array.isArray(value)) yield* mistakesInItems(value, node, path);
      else yield { path, message: `expected list, got ${shown(value)}` };
      return;
    default: {
      const message = scalarMistake(value, node);
      if (message) yield { path, message };
    }
  }
}

function* mistakesInFields(object: JsonObject, node: SchemaNode, path: string): Generator<Mistake> {
  for (const key of Object.keys(object)) {
    const child = childNode(node, key);
    if (!child && node.type === 'object' && !node.preserveUnknown)
      yield { path: `${path}.${key}`, message: 'field not declared in schema' };
    else yield* mistakesIn(object[key], child, `${path}.${key}`);
  }
}

function* mistakesInItems(list: unknown[], node: SchemaNode, path: string): Generator<Mistake> {
  const seen = new Set<string>();
  for (const [index, item] of list.entries()) {
    let element = `i:${index}`;
    if (node.listType === 'map' || node.listType === 'set') {
      try {
        element = itemElement(node, item);
      } catch (error) {
        if (!(error instanceof TypedValueError)) throw error;
        // As upstream, nothing is said of the items behind one that cannot be named.
        yield { path, message: `element ${index}: ${error.message}` };
        return;
      }
      if (seen.has(element)) yield { path, message: `duplicate entries for key ${elementLabel(element)}` };
      seen.add(element);
    }
    yield* mistakesIn(item, node.element, `${path}${elementLabel(element)}`);
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

function scalarMistake(value: unknown, node: SchemaNode): string | undefined {
  const type = typeof value;
  switch (node.type) {
    case 'integer':
    case 'number':
      if (type === 'number' || type === 'bigint') return undefined;
      return `expected numeric (int or float), got ${goTypeOf(value)}`;
    case 'boolean':
      return type === 'boolean' ? undefined : `expected boolean, got ${shown(value)}`;
    case 'quantity':
    case 'intOrString':
      return type === 'object' ? `expected any scalar, got ${shown(value)}` : undefined;
    default:
      return type === 'string' ? undefined : `expected string, got ${shownWithType(value)}`;
  }
}

function goTypeOf(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (isObject(value)) return 'map[string]interface {}';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** As Go's `%v` prints upstream's wrapper of the value. */
function shown(value: unknown): string {
  return `&{${goText(value)}}`;
}

/** As its `%#v` does. */
function shownWithType(value: unknown): string {
  return `&value.valueUnstructured{Value:${goSyntax(value)}}`;
}
