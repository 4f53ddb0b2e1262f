/** The paths of a group version's resources and what can be done at each, before a dialect of OpenAPI renders them. */

import { type ApiOperation, type ApiPath, deleteBody, type Method, requiredBody } from './api-path.ts';
import { customPathsOf } from './custom-operations.ts';
import { capital, groupVersionTag, groupVersionTitle, withArticle } from './operation-names.ts';
import {
  type BodyParameter,
  deleteCollectionParameters,
  deleteParameters,
  getParameters,
  listParameters,
  nameParameter,
  optionParameters,
  type PathParameter,
  patchParameters,
  pathParameter,
  writeParameters,
} from './parameters.ts';
import {
  definitionName,
  type GroupVersionKind,
  kindOf,
  type OpenApiGroupVersion,
  type OpenApiResource,
  rootPath,
} from './source.ts';

const metaV1 = 'io.k8s.apimachinery.pkg.apis.meta.v1';

const anyType = ['*/*'];
const objectTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const streamTypes = [
  ...objectTypes,
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
];
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** Methods of a subresource that passes requests on. */
const connectMethods: Record<string, readonly Method[]> = {
  get: ['get', 'head', 'options'],
  create: ['post'],
  update: ['put'],
  patch: ['patch'],
  delete: ['delete'],
};
const connecting = new Set(['exec', 'attach', 'portforward', 'proxy']);

export function pathsOf(source: OpenApiGroupVersion): ApiPath[] {
  return source.resources.flatMap((resource) => {
    const parent = parentOf(source, resource);
    if (source.customSchemas?.has(parent.kind)) return customPathsOf(source, resource, parent);
    return resource.name.includes('/')
      ? subresourcePaths(source, resource, parent)
      : resourcePaths(source, resource);
  });
}

/** The resource that a subresource belongs to, or the resource itself. */
function parentOf(source: OpenApiGroupVersion, resource: OpenApiResource): OpenApiResource {
  const [plural] = resource.name.split('/');
  return source.resources.find(({ name }) => name === plural) ?? resource;
}

class PathBuilder {
  readonly #source: OpenApiGroupVersion;
  readonly #resource: OpenApiResource;
  readonly gvk: GroupVersionKind;
  readonly definition: string;
  /** `NamespacedPod`, `Node`: the middle of an operation's name. */
  readonly noun: string;
  readonly prefix: string;
  /** Of the paths of a collection, and of one object. */
  readonly inScope: readonly PathParameter[];
  readonly ofObject: readonly PathParameter[];

  constructor(source: OpenApiGroupVersion, resource: OpenApiResource) {
    this.#source = source;
    this.#resource = resource;
    this.gvk = kindOf(source, resource);
    this.definition = definitionName(this.gvk);
    this.noun = `${resource.namespaced ? 'Namespaced' : ''}${resource.kind}`;
    this.prefix = resource.namespaced ? '/namespaces/{namespace}' : '';
    this.inScope = resource.namespaced ? [pathParameter('namespace')] : [];
    this.ofObject = [...this.inScope, nameParameter(resource.kind)];
  }

  allows(verb: string): boolean {
    return this.#resource.verbs.includes(verb);
  }

  path(path: string, parameters: readonly PathParameter[], operations: (ApiOperation | false)[]): ApiPath {
    return {
      path: rootPath(this.#source) + path,
      pathParameters: parameters,
      operations: operations.filter((operation) => operation !== false),
      tag: groupVersionTag(this.#source),
    };
  }

  /** `what`: the operation's name before and after the title, e.g. `list`, `NamespacedPod`. */
  operation(
    method: Method,
    action: string,
    what: [before: string, after: string],
    description: string,
    rest: Partial<ApiOperation> = {},
  ): ApiOperation {
    return {
      method,
      action,
      operationId: `${what[0]}${groupVersionTitle(this.#source)}${what[1]}`,
      description,
      gvk: this.gvk,
      queryParameters: getParameters,
      consumes: anyType,
      produces: objectTypes,
      answer: this.definition,
      codes: [200],
      ...rest,
    };
  }

  get body(): BodyParameter {
    return requiredBody(this.definition);
  }
}

const patching = {
  queryParameters: patchParameters,
  body: requiredBody(`${metaV1}.Patch`),
  consumes: patchTypes,
  codes: [200, 201],
};

function resourcePaths(source: OpenApiGroupVersion, resource: OpenApiResource): ApiPath[] {
  const builder = new PathBuilder(source, resource);
  const paths = [collectionPath(builder, resource), objectPath(builder, resource)];
  if (resource.namespaced && builder.allows('list')) paths.push(allNamespacesPath(builder, resource));
  if (builder.allows('watch')) paths.push(...watchPaths(builder, resource));
  return paths.filter(({ operations }) => operations.length > 0);
}

function collectionPath(builder: PathBuilder, { kind, name }: OpenApiResource): ApiPath {
  const { noun } = builder;
  return builder.path(`${builder.prefix}/${name}`, builder.inScope, [
    builder.allows('list') && listOperation(builder, kind, noun),
    builder.allows('create') &&
      builder.operation('post', 'post', ['create', noun], `create ${withArticle(kind)}`, {
        queryParameters: writeParameters,
        body: builder.body,
        codes: [200, 201, 202],
      }),
    builder.allows('deletecollection') &&
      builder.operation(
        'delete',
        'deletecollection',
        ['delete', `Collection${noun}`],
        `delete collection of ${kind}`,
        { ...deletion, queryParameters: deleteCollectionParameters },
      ),
  ]);
}

function objectPath(builder: PathBuilder, resource: OpenApiResource): ApiPath {
  const { kind, name } = resource;
  const { noun } = builder;
  return builder.path(`${builder.prefix}/${name}/{name}`, builder.ofObject, [
    builder.allows('get') && builder.operation('get', 'get', ['read', noun], `read the specified ${kind}`),
    builder.allows('update') &&
      builder.operation('put', 'put', ['replace', noun], `replace the specified ${kind}`, {
        queryParameters: writeParameters,
        body: builder.body,
        codes: [200, 201],
      }),
    builder.allows('delete') &&
      builder.operation('delete', 'delete', ['delete', noun], `delete ${withArticle(kind)}`, {
        ...deletion,
        ...(resource.returnsDeleted && { answer: builder.definition }),
        queryParameters: deleteParameters,
        codes: [200, 202],
      }),
    builder.allows('patch') &&
      builder.operation(
        'patch',
        'patch',
        ['patch', noun],
        `partially update the specified ${kind}`,
        patching,
      ),
  ]);
}

function allNamespacesPath(builder: PathBuilder, { kind, name }: OpenApiResource): ApiPath {
  return builder.path(`/${name}`, [], [listOperation(builder, kind, `${kind}ForAllNamespaces`)]);
}

function listOperation(builder: PathBuilder, kind: string, noun: string): ApiOperation {
  return builder.operation('get', 'list', ['list', noun], `list or watch objects of kind ${kind}`, {
    queryParameters: listParameters,
    answer: `${builder.definition}List`,
    produces: streamTypes,
  });
}

const deletion = { body: deleteBody, answer: `${metaV1}.Status` };

/** The paths under /watch, which clients no longer use and upstream still serves. */
function watchPaths(builder: PathBuilder, resource: OpenApiResource): ApiPath[] {
  const { kind, name } = resource;
  const { noun, prefix, inScope, ofObject } = builder;
  const rest = { queryParameters: listParameters, answer: `${metaV1}.WatchEvent`, produces: streamTypes };
  const watchList = (after: string) =>
    builder.operation(
      'get',
      'watchlist',
      ['watch', after],
      `watch individual changes to a list of ${kind}. deprecated: use the 'watch' parameter with a list operation instead.`,
      rest,
    );
  const paths = [
    builder.path(`/watch${prefix}/${name}`, inScope, [watchList(`${noun}List`)]),
    builder.path(`/watch${prefix}/${name}/{name}`, ofObject, [
      builder.operation(
        'get',
        'watch',
        ['watch', noun],
        `watch changes to an object of kind ${kind}. deprecated: use the 'watch' parameter with a list operation instead, filtered to a single item with the 'fieldSelector' parameter.`,
        rest,
      ),
    ]),
  ];
  if (resource.namespaced) {
    paths.push(builder.path(`/watch/${name}`, [], [watchList(`${kind}ListForAllNamespaces`)]));
  }
  return paths;
}

function subresourcePaths(
  source: OpenApiGroupVersion,
  resource: OpenApiResource,
  parent: OpenApiResource,
): ApiPath[] {
  const [plural = '', subresource = ''] = resource.name.split('/');
  const builder = new PathBuilder(source, resource);
  const owner = parent.kind;
  const noun = `${resource.namespaced ? 'Namespaced' : ''}${owner}${capital(subresource)}`;
  const path = `${builder.prefix}/${plural}/{name}/${subresource}`;
  if (connecting.has(subresource)) return connectPaths(builder, resource, { path, noun, owner, subresource });
  const { body } = builder;
  const of = `${subresource} of the specified ${owner}`;
  return [
    builder.path(path, builder.ofObject, [
      builder.allows('get') &&
        builder.operation(
          'get',
          'get',
          ['read', noun],
          `read ${of}`,
          subresource === 'log' ? logReading : {},
        ),
      builder.allows('update') &&
        builder.operation('put', 'put', ['replace', noun], `replace ${of}`, {
          queryParameters: writeParameters,
          body,
          codes: [200, 201],
        }),
      builder.allows('create') &&
        builder.operation(
          'post',
          'post',
          ['create', noun],
          `create ${subresource} of ${withArticle(owner)}`,
          {
            queryParameters: writeParameters,
            body,
            codes: [200, 201, 202],
          },
        ),
      builder.allows('patch') &&
        builder.operation('patch', 'patch', ['patch', noun], `partially update ${of}`, patching),
    ]),
  ].filter(({ operations }) => operations.length > 0);
}

const logReading = {
  answer: undefined,
  queryParameters: optionParameters('PodLogOptions'),
  produces: ['text/plain', ...objectTypes],
};

interface ConnectPath {
  path: string;
  /** In the names of its operations. */
  noun: string;
  /** Kind of what is connected to. */
  owner: string;
  subresource: string;
}

function connectPaths(
  builder: PathBuilder,
  resource: OpenApiResource,
  { path, noun, owner, subresource }: ConnectPath,
): ApiPath[] {
  const operations = (after: string) =>
    resource.verbs
      .flatMap((verb) => connectMethods[verb] ?? [])
      // Only a proxy passes on what it does not know.
      .filter((method) => subresource === 'proxy' || method === 'get' || method === 'post')
      .map((method) =>
        builder.operation(
          method,
          'connect',
          ['connect', `${capital(method)}${noun}${after}`],
          `connect ${method.toUpperCase()} requests to ${subresource} of ${owner}`,
          { answer: undefined, queryParameters: optionParameters(resource.kind), produces: anyType },
        ),
      );
  const paths = [builder.path(path, builder.ofObject, operations(''))];
  if (subresource === 'proxy') {
    const parameters = [...builder.ofObject, pathParameter('path')];
    paths.push(builder.path(`${path}/{path}`, parameters, operations('WithPath')));
  }
  return paths;
}
