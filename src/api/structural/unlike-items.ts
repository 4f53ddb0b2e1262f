/** Lists of a custom resource whose items have to be unlike: sets, and list maps by their keys. */
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { duplicate, type FieldErrors } from '../validation/field-error.ts';
import { childPath, itemSchema, propertySchema, type StructuralSchema } from './schema.ts';

/** Lists whose items are to be unlike: sets by the whole item, list maps by their keys. */
export function* validateListItems(schema: StructuralSchema, value: unknown, path = ''): FieldErrors {
  if (!holdsKeyedLists(schema)) return;
  if (Array.isArray(value)) {
    yield* validateUniqueness(schema, value, path);
    const items = itemSchema(schema);
    if (!items) return;
    for (const [index, item] of value.entries())
      yield* validateListItems(items, item, childPath(path, index));
  } else if (isJsonObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      const property = propertySchema(schema, key);
      const isNamed = schema.properties && Object.hasOwn(schema.properties, key);
      if (property)
        yield* validateListItems(property, child, isNamed ? childPath(path, key) : `${path}[${key}]`);
    }
  }
}

const holders = new WeakMap<StructuralSchema, boolean>();

/** Whether some list has unlike items: values without such a list need not be gone through. */
function holdsKeyedLists(schema: StructuralSchema): boolean {
  const found = holders.get(schema);
  if (found !== undefined) return found;
  const { properties = {}, additionalProperties: additional } = schema;
  const below = [...Object.values(properties), additional, itemSchema(schema)];
  const type = schema['x-kubernetes-list-type'];
  const holds =
    type === 'set' ||
    type === 'map' ||
    below.some((child) => child instanceof Object && holdsKeyedLists(child));
  holders.set(schema, holds);
  return holds;
}

function* validateUniqueness(schema: StructuralSchema, value: unknown[], path: string): FieldErrors {
  const type = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (type !== 'set' && type !== 'map') return;
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const identity = type === 'set' ? item : pick(item, keys);
    const isFlat = type === 'map' && keys.every((key) => typeof (identity as JsonObject)[key] !== 'object');
    // The keys of a list map are picked in the same order from each item.
    const text = isFlat ? JSON.stringify(identity) : stableText(identity);
    if (seen.has(text)) yield duplicate(childPath(path, index), identity);
    seen.add(text);
  }
}

function pick(item: unknown, keys: readonly string[]): JsonObject {
  const picked: JsonObject = {};
  for (const key of keys) if (isJsonObject(item) && item[key] !== undefined) picked[key] = item[key];
  return picked;
}

/** Equal for equal values, whatever the order of their keys. */
function stableText(value: unknown): string {
  if (typeof value !== 'object') return JSON.stringify(value);
  return JSON.stringify(value, (_, inner) =>
    isJsonObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
