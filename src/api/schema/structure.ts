/** What is wrong with an object by its schema alone: for kinds (and parts of kinds) that state no rules of their own. */
import { type FieldError, notSupported, required } from '../field-error.ts';
import { isObject } from './decode.ts';
import { type SchemaNode, schemaNode } from './schemas.ts';

/** Missing required fields and values outside their enumerations. Expects a decoded object. */
export function* structureErrors(
  schema: string | SchemaNode,
  object: unknown,
  field = '',
): Generator<FieldError> {
  const node = typeof schema === 'string' ? schemaNode(schema) : schema;
  yield* check(node, object, field);
}

function* check(node: SchemaNode, value: unknown, path: string): Generator<FieldError> {
  if (Array.isArray(value)) {
    if (!node.element) return;
    for (const [index, item] of value.entries()) yield* check(node.element, item, `${path}[${index}]`);
  } else if (isObject(value)) {
    if (node.type === 'map' && node.element) {
      for (const key of Object.keys(value)) yield* check(node.element, value[key], `${path}[${key}]`);
      return;
    }
    for (const field of node.fields?.values() ?? []) {
      const below = path ? `${path}.${field.name}` : field.name;
      const given = value[field.name];
      if (given === undefined || given === null || given === '') {
        if (field.required) yield required(below);
      } else yield* check(field.node, given, below);
    }
  } else if (node.enum && typeof value === 'string' && !node.enum.includes(value)) {
    yield notSupported(path, value, node.enum);
  }
}
