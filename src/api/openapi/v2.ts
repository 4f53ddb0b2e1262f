/** OpenAPI 2: one document for everything, for clients without support for version 3. */
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
import { parametersAt, refTo } from './references.ts';
import { groupVersionRoot, rootPaths } from './root-paths.ts';
import type { JsonSchema, OpenApiGroupVersion } from './source.ts';

export function openApiV2Document(
  sources: readonly OpenApiGroupVersion[],
  serverVersion: string,
): JsonSchema {
  const all = [
    ...rootPaths(sources).values(),
    ...sources.flatMap((source) => [...groupVersionRoot(source), ...pathsOf(source)]),
  ].sort((left, right) => (left.path < right.path ? -1 : 1));
  const shared = new SharedParameters();
  const paths: Record<string, JsonSchema> = {};
  for (const path of all) paths[path.path] = renderPath(path, shared);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: serverVersion },
    paths,
    definitions: collectDefinitions({ sources, paths: all }, loadDescriptions(), 'v2'),
    parameters: shared.definitions(),
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

/** Parameters that stand once for all operations that take them. */
class SharedParameters {
  readonly #definitions = new Map<string, JsonSchema>();

  use(parameter: Parameter): JsonSchema {
    const rendered = renderParameter(parameter);
    if (standsAlone(parameter)) return rendered;
    const hash = createHash('sha256').update(JSON.stringify(rendered)).digest('base64url').slice(0, 8);
    const name = `${parameter.name}-${hash}`;
    this.#definitions.set(name, rendered);
    return { $ref: parametersAt + name };
  }

  definitions(): Record<string, JsonSchema> {
    return Object.fromEntries([...this.#definitions].sort(([left], [right]) => (left < right ? -1 : 1)));
  }
}

/** A name and most bodies are of one kind alone; old kubectl looks for two others in the operation itself. */
function standsAlone(parameter: Parameter): boolean {
  if (parameter.in === 'body') return !parameter.definition.startsWith('io.k8s.apimachinery.');
  return ['name', 'dryRun', 'fieldValidation'].includes(parameter.name);
}

function renderParameter(parameter: Parameter): JsonSchema {
  if (parameter.in === 'body') {
    const { name, definition, required } = parameter;
    return { name, in: 'body', ...(required && { required }), schema: refTo(definition, 'v2') };
  }
  const { name, description } = parameter;
  const rest = { description, name, in: parameter.in };
  return parameter.in === 'path'
    ? { uniqueItems: true, type: 'string', ...rest, required: true }
    : { uniqueItems: true, type: parameter.type, ...rest };
}

function renderPath(path: ApiPath, shared: SharedParameters): JsonSchema {
  const common = commonQueryParameters(path);
  const item: JsonSchema = {};
  for (const operation of path.operations) {
    const own = ownParameters(operation, common).map((parameter) => shared.use(parameter));
    item[operation.method] = renderOperation(operation, path.tag, own);
  }
  const parameters = sortParameters([...path.pathParameters, ...common]);
  if (parameters.length > 0) item.parameters = parameters.map((parameter) => shared.use(parameter));
  return item;
}

function renderOperation(operation: ApiOperation, tag: string, parameters: JsonSchema[]): JsonSchema {
  const { description, consumes, produces, operationId, action, gvk } = operation;
  const answer = operation.answer === undefined ? { type: 'string' } : refTo(operation.answer, 'v2');
  const responses: JsonSchema = {};
  for (const code of operation.codes) responses[code] = { description: codeTexts[code], schema: answer };
  responses[401] = { description: 'Unauthorized' };
  return {
    ...(description && { description }),
    ...(consumes && { consumes }),
    ...(produces && { produces }),
    schemes: ['https'],
    tags: [tag],
    operationId,
    ...(parameters.length > 0 && { parameters }),
    responses,
    ...(action && { 'x-kubernetes-action': action }),
    ...(gvk && { 'x-kubernetes-group-version-kind': gvk }),
  };
}
