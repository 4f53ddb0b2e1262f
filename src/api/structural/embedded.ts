/** Resources that stand within a custom resource, where its schema says so: how they are read and what they have to be. */

import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { DecodeError, decode } from '../schema/decode.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { nameRule } from '../validation/fields.ts';
import { dns1035LabelProblems, pathSegmentProblems } from '../validation/names.ts';
import { validateObjectMeta } from '../validation/object-meta.ts';
import {
  childPath,
  isEmbeddedResource,
  itemSchema,
  propertySchema,
  type StructuralSchema,
} from './schema.ts';

interface EmbeddedResource {
  /** As errors name it: `spec.templates[0]`, `spec.byName[a.b]`. */
  field: string;
  /** As warnings of unknown fields name it: `spec.byName.a.b`. */
  path: string;
  resource: JsonObject;
}

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

const holders = new WeakMap<StructuralSchema, boolean>();

/** Few schemas have any: values of the others need not be gone through. */
export function holdsEmbedded(schema: StructuralSchema): boolean {
  const found = holders.get(schema);
  if (found !== undefined) return found;
  const { properties = {}, additionalProperties: additional } = schema;
  const below = [...Object.values(properties), additional, itemSchema(schema)];
  const holds =
    isEmbeddedResource(schema) || below.some((child) => child instanceof Object && holdsEmbedded(child));
  holders.set(schema, holds);
  return holds;
}

/** All but the root. */
function* embeddedResources(
  schema: StructuralSchema,
  value: unknown,
  field = '',
  path = '',
): Generator<EmbeddedResource> {
  if (!holdsEmbedded(schema)) return;
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    if (!items) return;
    for (const [index, item] of value.entries())
      yield* embeddedResources(items, item, childPath(field, index), childPath(path, index));
    return;
  }
  if (!isJsonObject(value)) return;
  if (field !== '' && isEmbeddedResource(schema)) yield { field, path, resource: value };
  for (const [key, child] of Object.entries(value)) {
    const property = propertySchema(schema, key);
    if (!property) continue;
    const isNamed = schema.properties && Object.hasOwn(schema.properties, key);
    const childField = isNamed ? childPath(field, key) : `${field}[${key}]`;
    yield* embeddedResources(property, child, childField, childPath(path, key));
  }
}

/**
 * Reduces the metadata of every embedded resource to valid fields. Returns the paths of what it dropped, sorted.
 * @throws {DecodeError} when a value has a type that metadata, kind or API version cannot have.
 */
export function decodeEmbedded(schema: StructuralSchema, object: JsonObject): string[] {
  const dropped: string[] = [];
  for (const { field, path, resource } of embeddedResources(schema, object)) {
    for (const key of ['apiVersion', 'kind'])
      if (Object.hasOwn(resource, key) && typeof resource[key] !== 'string')
        throw wrongValue(childPath(field, key), resource[key], 'must be a string');
    if (resource.metadata === undefined) continue;
    const at = childPath(path, 'metadata');
    const { metadata, unknown } = decodeMetadataAt(childPath(field, 'metadata'), resource.metadata);
    dropped.push(...unknown.map((name) => childPath(at, name)));
    resource.metadata = metadata;
  }
  return dropped.sort();
}

function decodeMetadataAt(field: string, value: unknown) {
  try {
    return decodeMetadata(value);
  } catch (error) {
    if (error instanceof DecodeError) throw wrongValue(field, value, error.message);
    throw error;
  }
}

/** The metadata, and the paths of its unknown fields. @throws {DecodeError} */
export function decodeMetadata(value: unknown): { metadata: JsonObject; unknown: string[] } {
  const { object, problems } = decode(objectMeta, value ?? {});
  return { metadata: object, unknown: problems.map(({ path }) => path) };
}

function wrongValue(field: string, value: unknown, why: string): DecodeError {
  return new DecodeError(invalidValue(field, sortedKeys(value), why).text);
}

/** As upstream shows a value that it has read into a map. */
function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (!isJsonObject(value)) return value;
  const sorted = Object.keys(value).sort();
  return Object.fromEntries(sorted.map((key) => [key, sortedKeys(value[key])]));
}

/** Of resources that {@link decodeEmbedded} has read. */
export function* validateEmbedded(schema: StructuralSchema, object: JsonObject): FieldErrors {
  for (const { field, resource } of embeddedResources(schema, object)) {
    const { apiVersion, kind, metadata } = resource as Record<string, string | undefined>;
    if (apiVersion === undefined) yield required(`${field}.apiVersion`);
    if (kind === undefined) yield required(`${field}.kind`);
    if (apiVersion !== undefined) yield* validateApiVersion(apiVersion, `${field}.apiVersion`);
    if (kind !== undefined) yield* validateKind(kind, `${field}.kind`);
    if (isJsonObject(metadata)) yield* validateMetadata(metadata, `${field}.metadata`);
  }
}

function* validateApiVersion(value: string, field: string): FieldErrors {
  if (value === '') yield invalidValue(field, value, 'must not be empty');
  else if (value.split('/').length > 2)
    yield invalidValue(field, value, `unexpected GroupVersion string: ${value}`);
}

function* validateKind(value: string, field: string): FieldErrors {
  if (value === '') return yield invalidValue(field, value, 'must not be empty');
  const problems = [...dns1035LabelProblems(value.toLowerCase())];
  if (problems.length === 0) return;
  const why = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
  yield invalidValue(field, value, why);
}

/** A template needs no name. */
const nameOfNameless = 'fakename';
const validatePathSegment = nameRule(pathSegmentProblems);

function* validateMetadata(metadata: JsonObject, field: string): FieldErrors {
  const rules = { namespaced: !!metadata.namespace, validateName: validatePathSegment, anyFinalizers: true };
  yield* validateObjectMeta({ ...metadata, name: (metadata.name as string) || nameOfNameless }, rules, field);
}
