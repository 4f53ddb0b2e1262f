/** OpenAPI 3: one document for each group version, and the index of them. */
import { createHash } from 'node:crypto';
import { collectDefinitions, refTo } from './definitions.ts';
import { loadDescriptions } from './descriptions.ts';
import { type ApiOperation, pathsOf } from './operations.ts';
import { pathParameters, queryParameters } from './parameters.ts';
import { type JsonSchema, type OpenApiGroupVersion, rootPath } from './source.ts';

export interface OpenApiIndex {
  paths: Record<string, { serverRelativeURL: string }>;
}

/** What /openapi/v3 answers: every group version with the hash of what its document is made from. */
export function openApiIndex(sources: readonly OpenApiGroupVersion[], serverVersion: string): OpenApiIndex {
  const entries = sources.map((source) => {
    const path = rootPath(source).slice(1);
    return [
      path,
      { serverRelativeURL: `/openapi/v3/${path}?hash=${documentHash(source, serverVersion)}` },
    ] as const;
  });
  return { paths: Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1))) };
}

/** Stands for the document without its being made: it follows from the server's version and the resources. */
export function documentHash(source: OpenApiGroupVersion, serverVersion: string): string {
  const { group, version, resources, customSchemas } = source;
  const schemas = [...(customSchemas ?? [])].map(([kind, schema]) => [kind, schemaHash(schema)]);
  return hashOf(JSON.stringify([serverVersion, group, version, resources, schemas]));
}

/** Schemas are large, and the index of all documents is asked for with every command: each is hashed once. */
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

const jsonTypes = ['application/json', 'application/yaml'];
const protobufType = 'application/vnd.kubernetes.protobuf';
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

export function openApiV3Document(source: OpenApiGroupVersion, serverVersion: string): JsonSchema {
  const paths: Record<string, JsonSchema> = {};
  for (const { path, pathParameters: names, operations, tag } of pathsOf(source)) {
    const item: JsonSchema = {};
    for (const operation of operations) item[operation.method] = renderOperation(operation, tag);
    if (names.length > 0) {
      item.parameters = names.map((name) => ({
        name,
        in: 'path',
        description: pathParameters[name],
        required: true,
        schema: { type: 'string', uniqueItems: true },
      }));
    }
    paths[path] = item;
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: serverVersion },
    paths,
    components: {
      schemas: collectDefinitions([source], loadDescriptions(), 'v3'),
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

function renderOperation(operation: ApiOperation, tag: string): JsonSchema {
  const out: JsonSchema = {
    tags: [tag],
    description: operation.description,
    operationId: operation.operationId,
  };
  if (operation.queryParameters.length > 0) {
    out.parameters = operation.queryParameters.map((name) => {
      const [type, description] = queryParameters[name];
      return { name, in: 'query', description, schema: { type, uniqueItems: true } };
    });
  }
  if (operation.body) {
    const isPatch = operation.body === 'patch';
    const schema = refTo(isPatch ? 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch' : operation.body, 'v3');
    const types = isPatch ? patchTypes : ['*/*'];
    out.requestBody = {
      content: Object.fromEntries(types.map((type) => [type, { schema }])),
      ...(operation.bodyRequired && { required: true }),
    };
  }
  const responses: JsonSchema = {};
  for (const code of operation.codes) responses[code] = renderAnswer(operation, code);
  responses[401] = { description: 'Unauthorized' };
  out.responses = responses;
  out['x-kubernetes-action'] = operation.action;
  out['x-kubernetes-group-version-kind'] = operation.gvk;
  return out;
}

const codeTexts: Record<number, string> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };

function renderAnswer(operation: ApiOperation, code: number): JsonSchema {
  const description = codeTexts[code];
  if (operation.answer === undefined) {
    return { description, content: { '*/*': { schema: { type: 'string' } } } };
  }
  const types = operation.hasProtobuf ? [...jsonTypes, protobufType] : [...jsonTypes];
  if (operation.streams) {
    types.push('application/json;stream=watch');
    if (operation.hasProtobuf) types.push(`${protobufType};stream=watch`);
  }
  const schema = refTo(operation.answer, 'v3');
  return { description, content: Object.fromEntries(types.map((type) => [type, { schema }])) };
}
