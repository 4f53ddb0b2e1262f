/** Whether an applied object has the types of its schema, with the errors of upstream's typed values. */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { parseExactJson } from '../../../base/text/exact-json.ts';
import { goSyntax, goText } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';
import { childNode, itemElement, TypedValueError } from './typed-value.ts';

/** All mistakes are reported at once, but of an object's unknown fields one. @throws {TypedValueError} */
export function checkTyped(value: unknown, node: SchemaNode | undefined): void {
  const check = new TypedCheck();
  check.value(value, node);
  const { mistakes } = check;
  if (mistakes.length === 0) return;
  throw new TypedValueError(mistakes.length === 1 ? mistakes[0]! : ['errors:', ...mistakes].join('\n  '));
}

/** A walk through a value, which may have many parts: where it is becomes text only for what is wrong there. */
class TypedCheck {
  readonly mistakes: string[] = [];
  /** Elements such as `f:spec` and `k:{"name":"c"}`. */
  readonly #elements: string[] = [];

  value(value: unknown, node: SchemaNode | undefined): void {
    if (value === null || value === undefined || node === undefined) return;
    switch (node.type) {
      case 'any':
      case 'deduced':
      case 'schemaOr':
        return;
      case 'object':
      case 'map':
        if (isJsonObject(value)) this.#fields(value, node);
        else this.#note(`expected map, got ${shown(value)}`);
        return;
      case 'list':
        if (Array.isArray(value)) this.#items(value, node);
        else this.#note(`expected list, got ${shown(value)}`);
        return;
      default: {
        const message = scalarMistake(value, node);
        if (message) this.#note(message);
      }
    }
  }

  /** At a path such as `.spec.containers[name="c"].image`; of the value itself without one. */
  #note(message: string): void {
    const path = this.#elements.map(elementLabel).join('');
    this.mistakes.push(path ? `${path}: ${message}` : message);
  }

  #fields(object: JsonObject, node: SchemaNode): void {
    for (const key of Object.keys(object)) {
      const child = childNode(node, key);
      const isUnknown = !child && node.type === 'object' && !node.preserveUnknown;
      this.#elements.push(`f:${key}`);
      if (isUnknown) this.#note('field not declared in schema');
      else this.value(object[key], child);
      this.#elements.pop();
      // As upstream, nothing is said of the fields behind one that is unknown.
      if (isUnknown) return;
    }
  }

  #items(list: readonly unknown[], node: SchemaNode): void {
    const isKeyed = node.listType === 'map' || node.listType === 'set';
    const seen = new Set<string>();
    for (let index = 0; index < list.length; index++) {
      let element: string;
      try {
        element = isKeyed ? itemElement(node, list[index]) : `i:${index}`;
      } catch (error) {
        if (!(error instanceof TypedValueError)) throw error;
        // As upstream, nothing is said of the items behind one that cannot be named.
        this.#note(`element ${index}: ${error.message}`);
        return;
      }
      if (isKeyed && seen.has(element)) this.#note(`duplicate entries for key ${elementLabel(element)}`);
      if (isKeyed) seen.add(element);
      this.#elements.push(element);
      this.value(list[index], node.element);
      this.#elements.pop();
    }
  }
}

function elementLabel(element: string): string {
  const content = element.slice(2);
  if (element.startsWith('f:')) return `.${content}`;
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
  if (isJsonObject(value)) return 'map[string]interface {}';
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
