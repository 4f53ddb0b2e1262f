/**
 * An OpenAPI 2 document as one of OpenAPI 3, for servers that have no such document. Some is lost, as with upstream: the
 * types of parameters are all that is left of what values they take.
 */
import { methods } from './api-path.ts';
import { definitionsAt, parametersAt, refTo } from './references.ts';
import type { JsonSchema } from './source.ts';

export function openApiV3Of(document: JsonSchema): JsonSchema {
  const { info, externalDocs, paths, definitions, securityDefinitions, responses } = document;
  const produces = document.produces as string[] | undefined;
  const parameters = (document.parameters ?? {}) as Record<string, JsonSchema>;
  return {
    openapi: '3.0.0',
    ...(info !== undefined && { info }),
    ...(externalDocs !== undefined && { externalDocs }),
    ...(paths !== undefined && { paths: mapValues(paths, (item) => pathItem(item, parameters)) }),
    components: {
      ...(definitions !== undefined && { schemas: mapValues(definitions, schemaOf) }),
      ...(responses !== undefined && { responses: mapValues(responses, (one) => response(one, produces)) }),
      ...(securityDefinitions !== undefined && {
        securitySchemes: mapValues(securityDefinitions, securityScheme),
      }),
    },
  };
}

function mapValues<T>(members: unknown, map: (member: JsonSchema) => T): Record<string, T> {
  return Object.fromEntries(
    Object.entries(members as Record<string, JsonSchema>).map(([name, member]) => [name, map(member)]),
  );
}

function extensionsOf(value: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key.startsWith('x-')));
}

type SharedParameters = Readonly<Record<string, JsonSchema>>;

function pathItem(item: JsonSchema, shared: SharedParameters): JsonSchema {
  const out = extensionsOf(item);
  for (const method of methods) {
    if (item[method] !== undefined) out[method] = operation(item[method] as JsonSchema, shared);
  }
  const parameters = resolved(item.parameters, shared).map(parameter);
  return parameters.length > 0 ? { ...out, parameters } : out;
}

/** Where a document shares parameters, each operation gets its own. */
function resolved(parameters: unknown, shared: SharedParameters): JsonSchema[] {
  return ((parameters ?? []) as JsonSchema[]).map((given) => {
    const { $ref } = given;
    if (typeof $ref !== 'string' || !$ref.startsWith(parametersAt)) return given;
    const name = $ref.slice(parametersAt.length);
    return Object.hasOwn(shared, name) ? shared[name]! : given;
  });
}

function operation(given: JsonSchema, shared: SharedParameters): JsonSchema {
  const { description, externalDocs, tags, summary, deprecated, operationId } = given;
  const [consumes, produces] = [
    given.consumes as string[] | undefined,
    given.produces as string[] | undefined,
  ];
  const parameters = resolved(given.parameters, shared);
  const isBody = ({ name, schema }: JsonSchema) => name === 'body' && schema !== undefined;
  const body = parameters.find(isBody);
  const others = parameters.filter((one) => !isBody(one)).map(parameter);
  return {
    ...extensionsOf(given),
    ...defined({ tags, summary, description, externalDocs, operationId }),
    ...(others.length > 0 && { parameters: others }),
    ...(body && { requestBody: contentOf(consumes, body.schema as JsonSchema) }),
    responses: mapValues(given.responses ?? {}, (one) => response(one, produces)),
    ...defined({ deprecated }),
  };
}

function defined(values: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** The same schema for every media type; none where no type is named. */
function contentOf(types: readonly string[] | undefined, schema: JsonSchema): JsonSchema {
  if (!types) return {};
  return { content: Object.fromEntries(types.map((type) => [type, { schema: schemaOf(schema) }])) };
}

function response(given: JsonSchema, produces: readonly string[] | undefined): JsonSchema {
  if (typeof given.$ref === 'string')
    return { $ref: given.$ref.replace('#/responses/', '#/components/responses/') };
  return {
    ...extensionsOf(given),
    ...defined({ description: given.description }),
    ...(given.schema !== undefined && contentOf(produces, given.schema as JsonSchema)),
  };
}

function parameter(given: JsonSchema): JsonSchema {
  const { name, description, required, allowEmptyValue, schema, type, format, uniqueItems } = given;
  return {
    ...extensionsOf(given),
    ...defined({ name, in: given.in, description, required, allowEmptyValue }),
    schema: schema === undefined ? defined({ type, format, uniqueItems }) : schemaOf(schema as JsonSchema),
  };
}

function securityScheme({ type, description, name, in: place, ...more }: JsonSchema): JsonSchema {
  const { flow, authorizationUrl, tokenUrl, scopes } = more;
  return {
    ...extensionsOf(more),
    ...defined({ type, description, name, in: place }),
    ...(typeof flow === 'string' && {
      flows: { [flow]: defined({ authorizationUrl, tokenUrl, scopes }) },
    }),
  };
}

/** With references to where schemas are in OpenAPI 3. What stands beside a reference there would not count. */
function schemaOf(given: JsonSchema): JsonSchema {
  const { $ref, ...beside } = inner(given);
  if ($ref === undefined) return beside;
  const text = String($ref);
  const at = text.indexOf(definitionsAt.v2);
  const reference = at < 0 ? { $ref } : refTo(text.slice(at + definitionsAt.v2.length), 'v3');
  return Object.keys(beside).length === 0 ? reference : { ...beside, allOf: [reference] };
}

function inner(given: JsonSchema): JsonSchema {
  const out = { ...given };
  const orSchema = (value: unknown) => (isSchema(value) ? schemaOf(value) : value);
  if (isSchema(given.properties)) out.properties = mapValues(given.properties, schemaOf);
  if (given.items !== undefined)
    out.items = Array.isArray(given.items) ? given.items.map(orSchema) : orSchema(given.items);
  for (const key of ['additionalProperties', 'additionalItems'])
    if (given[key] !== undefined) out[key] = orSchema(given[key]);
  return out;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
