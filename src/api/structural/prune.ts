/** Removes unknown fields, as upstream does before anything is stored. */
import {
  childPath,
  isEmbeddedResource,
  isJsonObject,
  itemSchema,
  type JsonObject,
  preservesUnknown,
  propertySchema,
  type StructuralSchema,
} from './schema.ts';

/** What every object has, whatever its schema says. */
const resourceFields = new Set(['apiVersion', 'kind', 'metadata']);

/**
 * Changes `object`, which is a whole custom resource. Returns the paths of what was removed
 * (`spec.extra`, `spec.items[0].extra`), for warnings and strict errors.
 */
export function pruneResource(schema: StructuralSchema, object: JsonObject): string[] {
  const removed: string[] = [];
  pruneObject({ ...schema, 'x-kubernetes-embedded-resource': true }, object, '', removed);
  return removed;
}

/** Changes `value`, whose path is `path`; adds the paths of what was removed. */
export function pruneValue(
  schema: StructuralSchema,
  value: unknown,
  path = '',
  removed: string[] = [],
): void {
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    if (!items) return;
    for (const [index, item] of value.entries()) pruneValue(items, item, childPath(path, index), removed);
  } else if (isJsonObject(value)) {
    pruneObject(schema, value, path, removed);
  }
}

function pruneObject(schema: StructuralSchema, object: JsonObject, path: string, removed: string[]): void {
  const keepsUnknown = preservesUnknown(schema);
  const isResource = isEmbeddedResource(schema);
  for (const key of Object.keys(object)) {
    if (isResource && resourceFields.has(key)) continue;
    const property = propertySchema(schema, key);
    if (property) pruneValue(property, object[key], childPath(path, key), removed);
    else if (!keepsUnknown) {
      delete object[key];
      removed.push(childPath(path, key));
    }
  }
}
