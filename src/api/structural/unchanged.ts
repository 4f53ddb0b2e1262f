/** What of a custom resource an update has left as it was: stricter schemas are not held against that. */
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { equalJson } from '../schema/json-value.ts';
import { itemSchema, propertySchema, type StructuralSchema, schemasBelow } from './schema.ts';

/** Finds what an item was before: by its keys in a list map; not at all in other lists, whose items have no identity. */
export function oldItems(schema: StructuralSchema, old: unknown): (item: unknown, index: number) => unknown {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (!Array.isArray(old)) return () => undefined;
  if (!isListMap(schema) || !keys) return () => undefined;
  const [onlyKey] = keys.length === 1 ? keys : [];
  const identity = (item: unknown) => {
    const name = onlyKey === undefined ? undefined : (item as JsonObject)?.[onlyKey];
    if (typeof name === 'string') return `=${name}`;
    return JSON.stringify(keys.map((key) => (item as JsonObject)?.[key] ?? null));
  };
  const byIdentity = new Map(old.map((item) => [identity(item), item]));
  return (item) => byIdentity.get(identity(item));
}

/** Whether a value is what it was; the order of a list map's items does not count. */
export function isUnchanged(schema: StructuralSchema | undefined, value: unknown, old: unknown): boolean {
  if (equalJson(value, old)) return true;
  if (!schema || !holdsListMap(schema)) return false;
  if (Array.isArray(value)) {
    if (!Array.isArray(old) || value.length !== old.length || !isListMap(schema)) return false;
    const items = itemSchema(schema);
    const before = oldItems(schema, old);
    return value.every((item, index) => {
      const was = before(item, index);
      return was !== undefined && isUnchanged(items, item, was);
    });
  }
  if (!isJsonObject(value) || !isJsonObject(old)) return false;
  const keys = Object.keys(value);
  return (
    keys.length === Object.keys(old).length &&
    keys.every(
      (key) => Object.hasOwn(old, key) && isUnchanged(propertySchema(schema, key), value[key], old[key]),
    )
  );
}

function isListMap(schema: StructuralSchema): boolean {
  return schema['x-kubernetes-list-type'] === 'map';
}

const known = new WeakMap<StructuralSchema, boolean>();

/** Whether there may be a list map in a value of the schema. */
function holdsListMap(schema: StructuralSchema): boolean {
  const found = known.get(schema);
  if (found !== undefined) return found;
  const holds = isListMap(schema) || schemasBelow(schema).some(holdsListMap);
  known.set(schema, holds);
  return holds;
}
