/** Removes unknown fields, as upstream does before anything is stored. */
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import {
  childPath,
  isEmbeddedResource,
  itemSchema,
  propertySchema,
  type StructuralSchema,
} from './schema.ts';

/** What every object has, whatever its schema says. */
const resourceFields = new Set(['apiVersion', 'kind', 'metadata']);

const keepingUnknown = { 'x-kubernetes-preserve-unknown-fields': true };

/**
 * Changes `object`, which is a whole custom resource. Returns the paths of what was removed
 * (`spec.extra`, `spec.items[0].extra`), for warnings and strict errors.
 */
export function pruneResource(schema: StructuralSchema, object: JsonObject): string[] {
  const removed: string[] = [];
  pruneObject({ ...schema, 'x-kubernetes-embedded-resource': true }, object, '', removed);
  return removed;
}

/**
 * Changes `value`, whose path is `path`; adds the paths of what was removed. What has no schema loses all its fields:
 * what is below `additionalProperties: true`, and the items of a list where none should be.
 */
export function pruneValue(
  schema: StructuralSchema | undefined,
  value: unknown,
  path = '',
  removed: string[] = [],
): void {
  if (Array.isArray(value)) {
    const items = schema && itemSchema(schema);
    if (!keepsUnknown(schema)) pruneItems(items, value, path, removed);
    // The items' own unknown fields stay, too.
    else if (items) pruneItems({ ...items, ...keepingUnknown }, value, path, removed);
  } else if (isJsonObject(value)) {
    pruneObject(schema, value, path, removed);
  }
}

function pruneItems(
  schema: StructuralSchema | undefined,
  items: readonly unknown[],
  path: string,
  removed: string[],
): void {
  for (const [index, item] of items.entries()) pruneValue(schema, item, childPath(path, index), removed);
}

function pruneObject(
  schema: StructuralSchema | undefined,
  object: JsonObject,
  path: string,
  removed: string[],
): void {
  const isResource = schema && isEmbeddedResource(schema);
  for (const key of Object.keys(object)) {
    if (isResource && resourceFields.has(key)) continue;
    const property = schema && propertySchema(schema, key);
    if (property) pruneValue(property, object[key], childPath(path, key), removed);
    else if (schema && allowsAnyKey(schema))
      pruneValue(undefined, object[key], childPath(path, key), removed);
    else if (!keepsUnknown(schema)) {
      delete object[key];
      removed.push(childPath(path, key));
    }
  }
}

/** Whether {@link pruneResource} would leave it as it is. */
export function isPruned(schema: StructuralSchema, object: JsonObject): boolean {
  return isObjectPruned({ ...schema, 'x-kubernetes-embedded-resource': true }, object);
}

function isValuePruned(schema: StructuralSchema | undefined, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (!Array.isArray(value)) return isObjectPruned(schema, value as JsonObject);
  const items = schema && itemSchema(schema);
  if (keepsUnknown(schema)) return !items || areItemsPruned({ ...items, ...keepingUnknown }, value);
  return areItemsPruned(items, value);
}

function areItemsPruned(schema: StructuralSchema | undefined, items: readonly unknown[]): boolean {
  for (const item of items) if (!isValuePruned(schema, item)) return false;
  return true;
}

function isObjectPruned(schema: StructuralSchema | undefined, object: JsonObject): boolean {
  const isResource = schema && isEmbeddedResource(schema);
  for (const key in object) {
    if (isResource && resourceFields.has(key)) continue;
    const property = schema && propertySchema(schema, key);
    if (property || (schema && allowsAnyKey(schema))) {
      if (!isValuePruned(property, object[key])) return false;
    } else if (!keepsUnknown(schema)) return false;
  }
  return true;
}

function keepsUnknown(schema: StructuralSchema | undefined): boolean {
  return schema?.['x-kubernetes-preserve-unknown-fields'] === true;
}

function allowsAnyKey({ additionalProperties }: StructuralSchema): boolean {
  return additionalProperties !== undefined && typeof additionalProperties !== 'object';
}
