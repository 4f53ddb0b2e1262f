/** Fills in the defaults that the schema facts state, such as a port's protocol. */
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { type SchemaNode, schemaNode } from './schemas.ts';

/** Whether anything below a node has a default: most of the tree need not be walked. */
const defaulting = new Map<SchemaNode, boolean>();

/** Changes `object`, but no frozen part of it: such parts are stored already, with their defaults. Idempotent. */
export function applySchemaDefaults(schema: string | SchemaNode, object: unknown): void {
  const node = typeof schema === 'string' ? schemaNode(schema) : schema;
  if (hasDefaults(node)) fill(node, object);
}

/** Whether {@link applySchemaDefaults} can change an object of this definition at all. */
export function hasSchemaDefaults(schema: string): boolean {
  return hasDefaults(schemaNode(schema));
}

function hasDefaults(node: SchemaNode): boolean {
  const known = defaulting.get(node);
  if (known !== undefined) return known;
  // Assumed while it is worked out: a definition that contains itself adds nothing by that.
  defaulting.set(node, false);
  let found = node.element !== undefined && hasDefaults(node.element);
  for (const field of node.fields?.values() ?? []) {
    if (field.default !== undefined || hasDefaults(field.node)) found = true;
  }
  defaulting.set(node, found);
  return found;
}

function fill(node: SchemaNode, value: unknown): void {
  if (Object.isFrozen(value)) return;
  if (Array.isArray(value)) {
    if (node.element) for (const item of value) fill(node.element, item);
    return;
  }
  if (!isJsonObject(value)) return;
  if (node.type === 'map' && node.element) {
    for (const key in value) fill(node.element, value[key]);
    return;
  }
  for (const field of node.fields?.values() ?? []) fillField(node, field.name, value);
}

function fillField(node: SchemaNode, name: string, value: JsonObject): void {
  const field = node.fields!.get(name)!;
  if (field.default !== undefined && (value[name] === undefined || value[name] === null)) {
    value[name] = structuredClone(field.default);
  }
  if (hasDefaults(field.node)) fill(field.node, value[name]);
}
