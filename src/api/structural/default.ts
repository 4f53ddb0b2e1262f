/** Fills in the defaults of a structural schema. */
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { setKey } from '../schema/decode.ts';
import { cloneJson, ownValue } from '../schema/json-value.ts';
import { itemSchema, type StructuralSchema, valueSchema } from './schema.ts';

export interface DefaultOptions {
  /** Those without a default stay, for validation to refuse: as in what is applied. */
  keepsNulls?: boolean;
}

/**
 * Changes `value`. A null where the schema allows none counts as absent: it is replaced by the default, or dropped when
 * there is none.
 */
export function applyStructuralDefaults(
  schema: StructuralSchema,
  value: unknown,
  options: DefaultOptions = {},
): void {
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    if (items) for (const item of value) applyStructuralDefaults(items, item, options);
  } else if (isJsonObject(value)) {
    fillProperties(schema, value, options);
    const additional = valueSchema(schema);
    if (!additional) return;
    for (const key of Object.keys(value)) {
      if (schema.properties && Object.hasOwn(schema.properties, key)) continue;
      if (value[key] === null && !additional.nullable) {
        if (additional.default === undefined) {
          if (!options.keepsNulls) delete value[key];
          continue;
        }
        value[key] = cloneJson(additional.default);
      }
      applyStructuralDefaults(additional, value[key], options);
    }
  }
}

/** Whether {@link applyStructuralDefaults} would leave it as it is. */
export function hasDefaults(schema: StructuralSchema, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    if (items) for (const item of value) if (!hasDefaults(items, item)) return false;
    return true;
  }
  const object = value as JsonObject;
  const { properties } = schema;
  for (const key in properties) {
    const property = properties[key]!;
    const given = ownValue(object, key);
    if (given === undefined ? property.default !== undefined : given === null && !property.nullable)
      return false;
    if (!hasDefaults(property, given)) return false;
  }
  const additional = valueSchema(schema);
  if (!additional) return true;
  for (const key in object) {
    if (properties && Object.hasOwn(properties, key)) continue;
    if (object[key] === null && !additional.nullable) return false;
    if (!hasDefaults(additional, object[key])) return false;
  }
  return true;
}

function fillProperties(schema: StructuralSchema, object: JsonObject, options: DefaultOptions): void {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    // A schema may name a field `__proto__` or `constructor`: inherited properties are no values of it.
    const given = ownValue(object, key);
    const isAbsent = given === undefined || (given === null && !property.nullable);
    if (isAbsent && property.default !== undefined) setKey(object, key, cloneJson(property.default));
    else if (isAbsent && !(given === null && options.keepsNulls)) delete object[key];
    applyStructuralDefaults(property, ownValue(object, key), options);
  }
}
