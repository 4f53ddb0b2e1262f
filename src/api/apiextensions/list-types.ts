/** `x-kubernetes-list-type` and its like: how lists and maps of a schema are merged. */

import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  notSupportedInOrder,
  required,
} from '../validation/field-error.ts';

const listTypes = ['atomic', 'set', 'map'];
const inSet = 'must be atomic as item of a list with x-kubernetes-list-type=set';

export function* validateMapType(schema: JSONSchemaProps, field: string): FieldErrors {
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType === undefined) return;
  yield* validateTypeFor(schema, 'object', `${field}.type`, 'x-kubernetes-map-type');
  if (mapType !== 'atomic' && mapType !== 'granular')
    yield notSupported(`${field}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']);
}

function* validateTypeFor(
  { type }: JSONSchemaProps,
  wanted: string,
  field: string,
  keyword: string,
): FieldErrors {
  const why = `must be ${wanted} if ${keyword} is specified`;
  if (!type) yield required(field, why);
  else if (type !== wanted) yield invalidValue(field, type, why);
}

export function* validateListType(schema: JSONSchemaProps, field: string): FieldErrors {
  const listType = schema['x-kubernetes-list-type'];
  const typePath = `${field}.x-kubernetes-list-type`;
  if (listType !== undefined) {
    if (schema.type !== 'array')
      yield* validateTypeFor(schema, 'array', `${field}.type`, 'x-kubernetes-list-type');
    else if (listType === 'set') yield* validateSetItems(schema, `${field}.items`);
    if (!listTypes.includes(listType)) yield notSupportedInOrder(typePath, listType, listTypes);
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (keys.length > 0) {
    const why = 'must be map if x-kubernetes-list-map-keys is non-empty';
    if (listType === undefined) yield required(typePath, why);
    else if (listType !== 'map') yield invalidValue(typePath, listType, why);
  }
  if (listType === 'map') yield* validateListMap(schema, keys, field);
  yield* validateIdentity(schema, keys, field);
}

function* validateSetItems(schema: JSONSchemaProps, field: string): FieldErrors {
  const items = schema.items as JSONSchemaProps | undefined;
  const listType = items?.['x-kubernetes-list-type'];
  if (items?.type === 'array' && listType !== undefined && listType !== 'atomic')
    yield invalidValue(`${field}.x-kubernetes-list-type`, listType, inSet);
  // Upstream shows the list type here, whatever the map type is.
  if (items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    yield invalidValue(`${field}.x-kubernetes-map-type`, listType, inSet);
}

function* validateListMap(schema: JSONSchemaProps, keys: readonly string[], field: string): FieldErrors {
  const keysPath = `${field}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) yield required(keysPath, 'must not be empty if x-kubernetes-list-type is map');
  const items = schema.items as JSONSchemaProps | undefined;
  if (!items) {
    yield required(`${field}.items`, 'must have a schema if x-kubernetes-list-type is map');
    return;
  }
  if (items.type !== 'object') {
    const why = "must be object if parent array's x-kubernetes-list-type is map";
    yield invalidValue(`${field}.items.type`, items.type ?? '', why);
    return;
  }
  const seen = new Set<string>();
  for (const key of keys) {
    const property = items.properties?.[key];
    if (!property) yield invalidValue(keysPath, keys, 'entries must all be names of item properties');
    else if (property.type === 'array' || property.type === 'object')
      yield invalidValue(
        `${field}.items.properties[${key}].type`,
        items.type,
        "must be a scalar type if parent array's x-kubernetes-list-type is map",
      );
    if (seen.has(key)) yield invalidValue(keysPath, keys, 'must not contain duplicate entries');
    seen.add(key);
  }
}

/** The keys of a list's items are always present. */
function* validateIdentity(schema: JSONSchemaProps, keys: readonly string[], field: string): FieldErrors {
  const listType = schema['x-kubernetes-list-type'];
  const items = schema.items as JSONSchemaProps | undefined;
  if (!items || (listType !== 'set' && listType !== 'map')) return;
  if (items.nullable)
    yield forbiddenField(
      `${field}.items.nullable`,
      `cannot be nullable when x-kubernetes-list-type is ${listType}`,
    );
  if (listType === 'set') return;
  const always = new Set(items.required);
  for (const key of keys) {
    const property = items.properties?.[key];
    if (!property) continue;
    const path = `${field}.items.properties[${key}]`;
    if (!always.has(key) && property.default === undefined)
      yield required(
        `${path}.default`,
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      );
    if (property.nullable)
      yield forbiddenField(
        `${path}.nullable`,
        'this property is in x-kubernetes-list-map-keys, so it cannot be nullable',
      );
  }
}
