/** OpenAPI 2: one document for everything, for clients that know no other. */
import { collectDefinitions, refTo } from './definitions.ts';
import { loadDescriptions } from './descriptions.ts';
import { type ApiOperation, pathsOf } from './operations.ts';
import {
  type PathParameterName,
  pathParameters,
  type QueryParameterName,
  queryParameters,
} from './parameters.ts';
import type { JsonSchema, OpenApiGroupVersion } from './source.ts';

const contentTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const watchTypes = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** Old kubectl looks for these in the operation itself; the others stand once for all. */
const inlineParameters = new Set<QueryParameterName>(['dryRun', 'fieldManager', 'fieldValidation', 'force']);

export function openApiV2Document(
  sources: readonly OpenApiGroupVersion[],
  serverVersion: string,
): JsonSchema {
  const paths: Record<string, JsonSchema> = {};
  for (const { path, pathParameters: names, operations, tag } of sources.flatMap(pathsOf)) {
    const item: JsonSchema = {};
    for (const operation of operations) item[operation.method] = renderOperation(operation, tag);
    if (names.length > 0) item.parameters = names.map((name) => parameterRef(`path-${name}`));
    paths[path] = item;
  }
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: serverVersion },
    paths: Object.fromEntries(Object.entries(paths).sort(([left], [right]) => (left < right ? -1 : 1))),
    definitions: collectDefinitions(sources, loadDescriptions(), 'v2'),
    parameters: sharedParameters(),
    securityDefinitions: {
      BearerToken: {
        description: 'Bearer Token authentication',
        type: 'apiKey',
        name: 'authorization',
        in: 'header',
      },
    },
    security: [{ BearerToken: [] }],
  };
}

function parameterRef(name: string): JsonSchema {
  return { $ref: `#/parameters/${name}` };
}

function queryParameter(name: QueryParameterName): JsonSchema {
  const [type, description] = queryParameters[name];
  return { uniqueItems: true, type, description, name, in: 'query' };
}

function sharedParameters(): Record<string, JsonSchema> {
  const shared: Record<string, JsonSchema> = {};
  for (const name of Object.keys(queryParameters) as QueryParameterName[]) {
    if (!inlineParameters.has(name)) shared[`query-${name}`] = queryParameter(name);
  }
  for (const [name, description] of Object.entries(pathParameters) as [PathParameterName, string][]) {
    shared[`path-${name}`] = {
      uniqueItems: true,
      type: 'string',
      description,
      name,
      in: 'path',
      required: true,
    };
  }
  return shared;
}

function renderOperation(operation: ApiOperation, tag: string): JsonSchema {
  const parameters: JsonSchema[] = [];
  if (operation.body) {
    const definition =
      operation.body === 'patch' ? 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch' : operation.body;
    parameters.push({
      name: 'body',
      in: 'body',
      ...(operation.bodyRequired && { required: true }),
      schema: refTo(definition, 'v2'),
    });
  }
  for (const name of operation.queryParameters) {
    parameters.push(inlineParameters.has(name) ? queryParameter(name) : parameterRef(`query-${name}`));
  }
  const answer = operation.answer === undefined ? { type: 'string' } : refTo(operation.answer, 'v2');
  const responses: JsonSchema = {};
  const codeTexts: Record<number, string> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };
  for (const code of operation.codes) responses[code] = { description: codeTexts[code], schema: answer };
  responses[401] = { description: 'Unauthorized' };
  return {
    description: operation.description,
    consumes: operation.body === 'patch' ? patchTypes : ['*/*'],
    produces: producedTypes(operation),
    schemes: ['https'],
    tags: [tag],
    operationId: operation.operationId,
    ...(parameters.length > 0 && { parameters }),
    responses,
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.gvk,
  };
}

function producedTypes(operation: ApiOperation): string[] {
  if (operation.answer === undefined) return ['*/*'];
  const types = operation.streams ? [...contentTypes, ...watchTypes] : contentTypes;
  return operation.hasProtobuf ? types : types.filter((type) => !type.includes('protobuf'));
}
