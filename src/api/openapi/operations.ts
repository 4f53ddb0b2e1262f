/** The paths of a group version's resources and what can be done at each, before a dialect of OpenAPI renders them. */

import { type ApiOperation, type ApiPath, deleteBody, type Method, requiredBody } from './api-path.ts';
import { customPathsOf } from './custom-operations.ts';
import { capital, groupVersionTag, groupVersionTitle, withArticle } from './operation-names.ts';
import {
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

/** An operation before its builder completes it. */
type OperationSketch = Partial<ApiOperation> &
  Pick<ApiOperation, 'method' | 'action' | 'description'> & {
    /** What stands before and after the group version in its id, e.g. `list`, `NamespacedPod`. */
    name: [before: string, after: string];
  };

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

  operation({ name: [before, after], ...rest }: OperationSketch): ApiOperation {
    return {
      operationId: `${before}${groupVersionTitle(this.#source)}${after}`,
      gvk: this.gvk,
      queryParameters: getParameters,
      consumes: anyType,
      produces: objectTypes,
      answer: this.definition,
      codes: [200],
      ...rest,
    };
  }

  /** `of`: what is read, for the description, e.g. `the specified Pod` or `status of the specified Pod`. */
  read(noun: string, of: string, rest: Partial<ApiOperation> = {}): ApiOperation | false {
    if (!this.allows('get')) return false;
    const description = `read ${of}`;
    return this.operation({ method: 'get', action: 'get', name: ['read', noun], description, ...rest });
  }

  replace(noun: string, of: string): ApiOperation | false {
    if (!this.allows('update')) return false;
    return this.operation({
      method: 'put',
      action: 'put',
      name: ['replace', noun],
      description: `replace ${of}`,
      queryParameters: writeParameters,
      body: requiredBody(this.definition),
      codes: [200, 201],
    });
  }

  create(noun: string, of: string): ApiOperation | false {
    if (!this.allows('create')) return false;
    return this.operation({
      method: 'post',
      action: 'post',
      name: ['create', noun],
      description: `create ${of}`,
      queryParameters: writeParameters,
      body: requiredBody(this.definition),
      codes: [200, 201, 202],
    });
  }

  patch(noun: string, of: string): ApiOperation | false {
    if (!this.allows('patch')) return false;
    return this.operation({
      method: 'patch',
      action: 'patch',
      name: ['patch', noun],
      description: `partially update ${of}`,
      queryParameters: patchParameters,
      body: requiredBody(`${metaV1}.Patch`),
      consumes: patchTypes,
      codes: [200, 201],
    });
  }
}

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
    builder.create(noun, withArticle(kind)),
    builder.allows('deletecollection') &&
      builder.operation({
        ...deletion,
        action: 'deletecollection',
        name: ['delete', `Collection${noun}`],
        description: `delete collection of ${kind}`,
        queryParameters: deleteCollectionParameters,
      }),
  ]);
}

function objectPath(builder: PathBuilder, resource: OpenApiResource): ApiPath {
  const { kind, name } = resource;
  const { noun } = builder;
  const of = `the specified ${kind}`;
  return builder.path(`${builder.prefix}/${name}/{name}`, builder.ofObject, [
    builder.read(noun, of),
    builder.replace(noun, of),
    builder.allows('delete') &&
      builder.operation({
        ...deletion,
        ...(resource.returnsDeleted && { answer: builder.definition }),
        action: 'delete',
        name: ['delete', noun],
        description: `delete ${withArticle(kind)}`,
        queryParameters: deleteParameters,
        codes: [200, 202],
      }),
    builder.patch(noun, of),
  ]);
}

function allNamespacesPath(builder: PathBuilder, { kind, name }: OpenApiResource): ApiPath {
  return builder.path(`/${name}`, [], [listOperation(builder, kind, `${kind}ForAllNamespaces`)]);
}

function listOperation(builder: PathBuilder, kind: string, noun: string): ApiOperation {
  return builder.operation({
    method: 'get',
    action: 'list',
    name: ['list', noun],
    description: `list or watch objects of kind ${kind}`,
    queryParameters: listParameters,
    answer: `${builder.definition}List`,
    produces: streamTypes,
  });
}

const deletion = { method: 'delete', body: deleteBody, answer: `${metaV1}.Status` } as const;

/** The paths under /watch, which clients no longer use and upstream still serves. */
function watchPaths(builder: PathBuilder, resource: OpenApiResource): ApiPath[] {
  const { kind, name } = resource;
  const { noun, prefix, inScope, ofObject } = builder;
  const watching = {
    method: 'get',
    queryParameters: listParameters,
    answer: `${metaV1}.WatchEvent`,
    produces: streamTypes,
  } as const;
  const watchList = (after: string) =>
    builder.operation({
      ...watching,
      action: 'watchlist',
      name: ['watch', after],
      description: `watch individual changes to a list of ${kind}. deprecated: use the 'watch' parameter with a list operation instead.`,
    });
  const paths = [
    builder.path(`/watch${prefix}/${name}`, inScope, [watchList(`${noun}List`)]),
    builder.path(`/watch${prefix}/${name}/{name}`, ofObject, [
      builder.operation({
        ...watching,
        action: 'watch',
        name: ['watch', noun],
        description: `watch changes to an object of kind ${kind}. deprecated: use the 'watch' parameter with a list operation instead, filtered to a single item with the 'fieldSelector' parameter.`,
      }),
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
  const of = `${subresource} of the specified ${owner}`;
  return [
    builder.path(path, builder.ofObject, [
      builder.read(noun, of, subresource === 'log' ? logReading : {}),
      builder.replace(noun, of),
      builder.create(noun, `${subresource} of ${withArticle(owner)}`),
      builder.patch(noun, of),
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
        builder.operation({
          method,
          action: 'connect',
          name: ['connect', `${capital(method)}${noun}${after}`],
          description: `connect ${method.toUpperCase()} requests to ${subresource} of ${owner}`,
          queryParameters: optionParameters(resource.kind),
          produces: anyType,
          answer: undefined,
        }),
      );
  const paths = [builder.path(path, builder.ofObject, operations(''))];
  if (subresource === 'proxy') {
    const parameters = [...builder.ofObject, pathParameter('path')];
    paths.push(builder.path(`${path}/{path}`, parameters, operations('WithPath')));
  }
  return paths;
}
