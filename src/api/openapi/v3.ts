/** OpenAPI 3: one document for each group version, and the index of them. */
import { createHash } from 'node:crypto';
import {
  type ApiOperation,
  type ApiPath,
  codeTexts,
  commonQueryParameters,
  ownParameters,
  type Parameter,
  sortParameters,
} from './api-path.ts';
import { collectDefinitions } from './definitions.ts';
import { loadDescriptions } from './descriptions.ts';
import { pathsOf } from './operations.ts';
import type { PathParameter, QueryParameter } from './parameters.ts';
import { refTo } from './references.ts';
import { groupVersionRoot, rootPaths } from './root-paths.ts';
import { type JsonSchema, type OpenApiGroupVersion, rootPath } from './source.ts';

export interface OpenApiIndex {
  paths: Record<string, { serverRelativeURL: string }>;
}

/** The answer of /openapi/v3: every document, with a hash of its input. */
export function openApiIndex(sources: readonly OpenApiGroupVersion[], serverVersion: string): OpenApiIndex {
  const entry = (path: string, hash: string) =>
    [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }] as const;
  const entries = [
    ...sources.map((source) => entry(rootPath(source).slice(1), documentHash(source, serverVersion))),
    ...[...rootPaths(sources).keys()].map((name) => entry(name, rootDocumentHash(name, serverVersion))),
  ];
  return { paths: Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1))) };
}

/** Counts how documents are made: clients keep them by their hash. */
const edition = 3;

/** Stands for the document without its being made: it follows from the server's version and the resources. */
export function documentHash(source: OpenApiGroupVersion, serverVersion: string): string {
  const { group, version, resources, customSchemas } = source;
  const schemas = [...(customSchemas ?? [])].map(([kind, schema]) => [kind, schemaHash(schema)]);
  return hashOf(JSON.stringify([edition, serverVersion, group, version, resources, schemas]));
}

export function rootDocumentHash(name: string, serverVersion: string): string {
  return hashOf(JSON.stringify([edition, serverVersion, name]));
}

/** Schemas are large, and every command requests the index of all documents: each schema is hashed once. */
const schemaHashes = new WeakMap<JsonSchema, string>();

function schemaHash(schema: JsonSchema): string {
  let hash = schemaHashes.get(schema);
  if (hash === undefined) {
    hash = hashOf(JSON.stringify(schema));
    schemaHashes.set(schema, hash);
  }
  return hash;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').toUpperCase();
}

export function openApiV3Document(source: OpenApiGroupVersion, serverVersion: string): JsonSchema {
  return renderDocument([source], [...groupVersionRoot(source), ...pathsOf(source)], serverVersion);
}

/** The document of a path that is about no resource. */
export function openApiV3RootDocument(path: ApiPath, serverVersion: string): JsonSchema {
  return renderDocument([], [path], serverVersion);
}

function renderDocument(
  sources: readonly OpenApiGroupVersion[],
  paths: readonly ApiPath[],
  serverVersion: string,
): JsonSchema {
  const schemas = collectDefinitions({ sources, paths }, loadDescriptions(), 'v3');
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: serverVersion },
    paths: Object.fromEntries(paths.map((path) => [path.path, renderPath(path)])),
    components: {
      ...(Object.keys(schemas).length > 0 && { schemas }),
      securitySchemes: {
        BearerToken: {
          type: 'apiKey',
          description: 'Bearer Token authentication',
          name: 'authorization',
          in: 'header',
        },
      },
    },
  };
}

function renderPath(path: ApiPath): JsonSchema {
  const common = commonQueryParameters(path);
  const item: JsonSchema = {};
  for (const operation of path.operations)
    item[operation.method] = renderOperation(operation, path.tag, ownParameters(operation, common));
  const parameters = sortParameters([...path.pathParameters, ...common]);
  if (parameters.length > 0) item.parameters = parameters.map(renderParameter);
  return item;
}

function renderParameter(parameter: PathParameter | QueryParameter): JsonSchema {
  const { name, description } = parameter;
  return parameter.in === 'path'
    ? { name, in: 'path', description, required: true, schema: { type: 'string', uniqueItems: true } }
    : { name, in: 'query', description, schema: { type: parameter.type, uniqueItems: true } };
}

function renderOperation(operation: ApiOperation, tag: string, own: readonly Parameter[]): JsonSchema {
  const { description, operationId, body, consumes = [], action, gvk } = operation;
  const parameters = own.filter((parameter) => parameter.in !== 'body').map(renderParameter);
  const out: JsonSchema = { tags: [tag], ...(description && { description }), operationId };
  if (parameters.length > 0) out.parameters = parameters;
  if (body) {
    const schema = refTo(body.definition, 'v3');
    out.requestBody = {
      content: Object.fromEntries(consumes.map((type) => [type, { schema }])),
      ...(body.required && { required: true }),
    };
  }
  const responses: JsonSchema = {};
  for (const code of operation.codes) responses[code] = renderAnswer(operation, code);
  responses[401] = { description: 'Unauthorized' };
  out.responses = responses;
  if (action) out['x-kubernetes-action'] = action;
  if (gvk) out['x-kubernetes-group-version-kind'] = gvk;
  return out;
}

function renderAnswer({ answer, produces = [] }: ApiOperation, code: number): JsonSchema {
  const schema = answer === undefined ? { type: 'string' } : refTo(answer, 'v3');
  return {
    description: codeTexts[code],
    content: Object.fromEntries(produces.map((type) => [type, { schema }])),
  };
}
