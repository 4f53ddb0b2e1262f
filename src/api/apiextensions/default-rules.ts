/** Defaults are values of their own schema, complete and without anything that would be pruned. */
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import { SchemaRules } from '../cel/rules.ts';
import { cloneJson, equalJson } from '../schema/json-value.ts';
import { validateEmbedded } from '../structural/embedded.ts';
import { pruneValue } from '../structural/prune.ts';
import { isEmbeddedResource, type StructuralSchema } from '../structural/schema.ts';
import { validateStructure } from '../structural/validate.ts';
import { type FieldError, type FieldErrors, invalidValue } from '../validation/field-error.ts';

/** Those of a whole resource's schema. */
export function* validateDefaults(root: StructuralSchema, field: string): FieldErrors {
  yield* validateBelow({ ...root, 'x-kubernetes-embedded-resource': true }, field, { inMetadata: false });
}

/** `inMetadata`: this is metadata, kind or API version of a resource. */
function* validateBelow(
  schema: StructuralSchema,
  field: string,
  { inMetadata }: { inMetadata: boolean },
): FieldErrors {
  const isResource = isEmbeddedResource(schema);
  const isMetadata = inMetadata && !isResource;
  if (schema.default !== undefined) yield* validateDefault(schema, `${field}.default`, { isMetadata });
  const items = schema.items as StructuralSchema | undefined;
  if (items) yield* validateBelow(items, `${field}.items`, { inMetadata: isMetadata });
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const isPart = isResource && ['metadata', 'apiVersion', 'kind'].includes(name);
    yield* validateBelow(property, `${field}.properties[${name}]`, { inMetadata: isMetadata || isPart });
  }
}

function* validateDefault(
  schema: StructuralSchema,
  field: string,
  { isMetadata }: { isMetadata: boolean },
): FieldErrors {
  const { default: value, ...rest } = schema;
  if (!isMetadata) {
    const pruned = cloneJson(value);
    pruneValue(schema, pruned);
    if (!equalJson(pruned, value)) yield invalidValue(field, value, 'must not have unknown fields');
  }
  const problems = [...problemsOf(rest, value)];
  for (const error of problems) yield below(field, error);
  if (problems.length > 0) return;
  for (const error of new SchemaRules(rest).validate(value, undefined).errors) yield below(field, error);
}

function* problemsOf(schema: StructuralSchema, value: unknown): FieldErrors {
  if (isJsonObject(value)) {
    // Its own root counts as a resource within the default, too.
    const wrapper = { type: 'object', properties: { value: schema } } as StructuralSchema;
    const errors = [...validateEmbedded(wrapper, { value } as JsonObject)];
    for (const error of errors) yield withoutPrefix(error, 'value');
    if (errors.length > 0) return;
  }
  yield* validateStructure(schema, value);
}

function withoutPrefix(error: FieldError, prefix: string): FieldError {
  const field = error.field.slice(prefix.length).replace(/^\./, '');
  return { ...error, field, text: `${field}: ${error.detail}` };
}

/** An error of the value, reported at the place where it is a default. */
function below(field: string, error: FieldError): FieldError {
  const own = error.field === '<nil>' ? '' : error.field;
  const path = own === '' || own.startsWith('[') ? field + own : `${field}.${own}`;
  return { ...error, field: path, text: `${path}: ${error.detail}` };
}
