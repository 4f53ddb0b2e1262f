/** The schema of a custom resource as the two versions of OpenAPI publish it. Pure. */
import type { Dialect } from './references.ts';
import type { JsonSchema } from './source.ts';

/** What OpenAPI 2 cannot express is left out, so that it forbids nothing. Defaults are always left out. */
const newKeywords = ['allOf', 'anyOf', 'oneOf', 'not', 'nullable', 'default'] as const;

/** Of an object that is a resource in itself. */
const embeddedTexts = {
  apiVersion:
    'apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  kind: 'kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
} as const;

/** @param metadata returns the schema of an embedded object's metadata */
export function publishedCustomSchema(
  schema: JsonSchema,
  dialect: Dialect,
  metadata: () => JsonSchema,
): JsonSchema {
  const { properties, items, additionalProperties, ...rest } = schema as Record<string, JsonSchema>;
  const publish = (part: JsonSchema) => publishedCustomSchema(part, dialect, metadata);
  const out: JsonSchema = { ...rest };
  if (schema['x-kubernetes-int-or-string'] === true && dialect === 'v3') addTypes(out);
  if (properties) out.properties = mapValues(properties, publish);
  if (items) out.items = publish(items);
  if (additionalProperties !== undefined)
    out.additionalProperties =
      typeof additionalProperties === 'object' ? publish(additionalProperties) : additionalProperties;
  if (dialect === 'v2') narrowToV2(out, schema);
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true;
  // Clients of OpenAPI 2 take an object with any property at all for closed.
  if (schema['x-kubernetes-embedded-resource'] === true && !(isOpen && dialect === 'v2'))
    addEmbedded(out, metadata);
  return out;
}

/** `whole` is the schema before conversion. */
function narrowToV2(out: JsonSchema, whole: JsonSchema): void {
  for (const keyword of newKeywords) delete out[keyword];
  const isNullable = (part: JsonSchema | undefined) => part?.nullable === true;
  const isOpen = whole['x-kubernetes-preserve-unknown-fields'] === true;
  if (isNullable(whole) || isOpen) {
    delete out.items;
    delete out.properties;
  }
  const isArrayOfAnything = whole.type === 'array' && !out.items;
  if (isNullable(whole) || isArrayOfAnything || (isOpen && whole.type === 'object')) delete out.type;
  const properties = (whole.properties ?? {}) as Record<string, JsonSchema>;
  const required = ((whole.required ?? []) as string[]).filter((name) => !isNullable(properties[name]));
  if (required.length === 0 || isNullable(whole.additionalProperties as JsonSchema | undefined))
    delete out.required;
  else out.required = required;
}

const eitherType = [{ type: 'integer' }, { type: 'string' }];

/** Says that a value is a number or a text where the schema has only the marker of it. */
function addTypes(out: JsonSchema): void {
  const says = (part: unknown) => JSON.stringify(part) === JSON.stringify(eitherType);
  const allOf = (out.allOf ?? []) as JsonSchema[];
  if (says(out.anyOf) || says(allOf[0]?.anyOf)) return;
  if (out.anyOf === undefined) out.anyOf = eitherType;
  else out.allOf = [{ anyOf: eitherType }, ...allOf];
}

function addEmbedded(out: JsonSchema, metadata: () => JsonSchema): void {
  const required = (out.required ?? []) as string[];
  out.properties = {
    ...(out.properties as JsonSchema | undefined),
    apiVersion: { description: embeddedTexts.apiVersion, type: 'string' },
    kind: { description: embeddedTexts.kind, type: 'string' },
    metadata: metadata(),
  };
  out.required = [...required, ...['kind', 'apiVersion'].filter((name) => !required.includes(name))];
}

function mapValues(
  values: Record<string, unknown>,
  convert: (value: JsonSchema) => JsonSchema,
): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, convert(value as JsonSchema)]),
  );
}
