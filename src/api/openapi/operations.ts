/** The paths of a group version and what can be done at each, before a dialect of OpenAPI renders them. */
import {
  deleteCollectionParameters,
  deleteParameters,
  listParameters,
  type PathParameterName,
  patchParameters,
  type QueryParameterName,
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

export type Method = 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch';

export interface ApiOperation {
  method: Method;
  /** `list`, `get`, `post`, `put`, `patch`, `delete`, `deletecollection`, `watch`, `watchlist`, `connect`. */
  action: string;
  operationId: string;
  description: string;
  gvk: GroupVersionKind;
  /** Names out of the table of query parameters. */
  queryParameters: readonly QueryParameterName[];
  /** Definition of the body; `patch`: any of the patch formats. */
  body?: string | 'patch';
  bodyRequired: boolean;
  /** Definition of the answer; undefined: text. */
  answer: string | undefined;
  /** Status codes of success. */
  codes: readonly number[];
  /** The answer may be a stream of events. */
  streams: boolean;
  /** Built-in kinds speak protobuf too. */
  hasProtobuf: boolean;
}

export interface ApiPath {
  path: string;
  pathParameters: readonly PathParameterName[];
  operations: ApiOperation[];
  tag: string;
}

const metaV1 = 'io.k8s.apimachinery.pkg.apis.meta.v1';

const capital = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1);

/** `AppsV1`, `RbacAuthorizationV1`, `CoreV1` */
function groupVersionTitle({ group, version }: OpenApiGroupVersion): string {
  const words = group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split(/[.-]/);
  return words.map(capital).join('') + capital(version);
}

/** `apps_v1`, `rbacAuthorization_v1` */
function tagOf({ group, version }: OpenApiGroupVersion): string {
  const [first = 'core', ...rest] = group === '' ? [] : group.replace(/\.k8s\.io$/, '').split(/[.-]/);
  return `${first}${rest.map(capital).join('')}_${version}`;
}

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
    return resource.name.includes('/') ? subresourcePaths(source, resource) : resourcePaths(source, resource);
  });
}

class PathBuilder {
  readonly #source: OpenApiGroupVersion;
  readonly #resource: OpenApiResource;
  readonly gvk: GroupVersionKind;
  readonly definition: string;
  /** `NamespacedPod`, `Node`: the middle of an operation's name. */
  readonly noun: string;
  readonly prefix: string;
  readonly inScope: readonly PathParameterName[];
  readonly #title: string;
  readonly #isCustom: boolean;

  constructor(source: OpenApiGroupVersion, resource: OpenApiResource) {
    this.#source = source;
    this.#resource = resource;
    this.gvk = kindOf(source, resource);
    this.definition = definitionName(this.gvk);
    this.noun = `${resource.namespaced ? 'Namespaced' : ''}${resource.kind}`;
    this.prefix = resource.namespaced ? '/namespaces/{namespace}' : '';
    this.inScope = resource.namespaced ? ['namespace'] : [];
    this.#title = groupVersionTitle(source);
    this.#isCustom = source.customSchemas?.has(resource.kind) ?? false;
  }

  allows(verb: string): boolean {
    return this.#resource.verbs.includes(verb);
  }

  path(
    path: string,
    parameters: readonly PathParameterName[],
    operations: (ApiOperation | false)[],
  ): ApiPath {
    return {
      path: rootPath(this.#source) + path,
      pathParameters: parameters,
      operations: operations.filter((operation) => operation !== false),
      tag: tagOf(this.#source),
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
      operationId: `${what[0]}${this.#title}${what[1]}`,
      description,
      gvk: this.gvk,
      queryParameters: ['pretty'],
      bodyRequired: true,
      answer: this.definition,
      codes: [200],
      streams: false,
      hasProtobuf: !this.#isCustom,
      ...rest,
    };
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
    builder.allows('create') &&
      builder.operation('post', 'post', ['create', noun], `create ${withArticle(kind)}`, {
        queryParameters: writeParameters,
        body: builder.definition,
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

function objectPath(builder: PathBuilder, { kind, name }: OpenApiResource): ApiPath {
  const { noun } = builder;
  return builder.path(
    `${builder.prefix}/${name}/{name}`,
    [...builder.inScope, 'name'],
    [
      builder.allows('get') && builder.operation('get', 'get', ['read', noun], `read the specified ${kind}`),
      builder.allows('update') &&
        builder.operation('put', 'put', ['replace', noun], `replace the specified ${kind}`, {
          queryParameters: writeParameters,
          body: builder.definition,
          codes: [200, 201],
        }),
      builder.allows('delete') &&
        builder.operation('delete', 'delete', ['delete', noun], `delete ${withArticle(kind)}`, {
          ...deletion,
          queryParameters: deleteParameters,
          codes: [200, 202],
        }),
      builder.allows('patch') &&
        builder.operation('patch', 'patch', ['patch', noun], `partially update the specified ${kind}`, {
          queryParameters: patchParameters,
          body: 'patch',
          codes: [200, 201],
        }),
    ],
  );
}

function allNamespacesPath(builder: PathBuilder, { kind, name }: OpenApiResource): ApiPath {
  return builder.path(`/${name}`, [], [listOperation(builder, kind, `${kind}ForAllNamespaces`)]);
}

function listOperation(builder: PathBuilder, kind: string, noun: string): ApiOperation {
  return builder.operation('get', 'list', ['list', noun], `list or watch objects of kind ${kind}`, {
    queryParameters: listParameters,
    answer: `${builder.definition}List`,
    streams: true,
  });
}

const deletion = {
  body: `${metaV1}.DeleteOptions`,
  bodyRequired: false,
  answer: `${metaV1}.Status`,
};

/** The paths under /watch, which clients no longer use and upstream still serves. */
function watchPaths(builder: PathBuilder, resource: OpenApiResource): ApiPath[] {
  const { kind, name } = resource;
  const { noun, prefix, inScope } = builder;
  const rest = { queryParameters: listParameters, answer: `${metaV1}.WatchEvent`, streams: true };
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
    builder.path(
      `/watch${prefix}/${name}/{name}`,
      [...inScope, 'name'],
      [
        builder.operation(
          'get',
          'watch',
          ['watch', noun],
          `watch changes to an object of kind ${kind}. deprecated: use the 'watch' parameter with a list operation instead, filtered to a single item with the 'fieldSelector' parameter.`,
          rest,
        ),
      ],
    ),
  ];
  if (resource.namespaced) {
    paths.push(builder.path(`/watch/${name}`, [], [watchList(`${kind}ListForAllNamespaces`)]));
  }
  return paths;
}

function subresourcePaths(source: OpenApiGroupVersion, resource: OpenApiResource): ApiPath[] {
  const [plural = '', subresource = ''] = resource.name.split('/');
  const parent = source.resources.find(({ name }) => name === plural);
  const builder = new PathBuilder(source, resource);
  const prefix = resource.namespaced ? '/namespaces/{namespace}' : '';
  const parameters: PathParameterName[] = resource.namespaced ? ['namespace', 'name'] : ['name'];
  const owner = parent?.kind ?? resource.kind;
  const noun = `${resource.namespaced ? 'Namespaced' : ''}${owner}${capital(subresource)}`;
  const path = `${prefix}/${plural}/{name}/${subresource}`;
  if (connecting.has(subresource))
    return connectPaths(builder, resource, { path, parameters, noun, owner, subresource });
  const { definition } = builder;
  const of = `${subresource} of the specified ${owner}`;
  return [
    builder.path(path, parameters, [
      builder.allows('get') &&
        builder.operation(
          'get',
          'get',
          ['read', noun],
          `read ${of}`,
          subresource === 'log' ? { answer: undefined } : {},
        ),
      builder.allows('update') &&
        builder.operation('put', 'put', ['replace', noun], `replace ${of}`, {
          queryParameters: writeParameters,
          body: definition,
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
            body: definition,
            codes: [200, 201, 202],
          },
        ),
      builder.allows('patch') &&
        builder.operation('patch', 'patch', ['patch', noun], `partially update ${of}`, {
          queryParameters: patchParameters,
          body: 'patch',
          codes: [200, 201],
        }),
    ]),
  ].filter(({ operations }) => operations.length > 0);
}

interface ConnectPath {
  path: string;
  parameters: readonly PathParameterName[];
  /** In the names of its operations. */
  noun: string;
  /** Kind of what is connected to. */
  owner: string;
  subresource: string;
}

function connectPaths(
  builder: PathBuilder,
  resource: OpenApiResource,
  { path, parameters, noun, owner, subresource }: ConnectPath,
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
          { answer: undefined, queryParameters: [] },
        ),
      );
  const paths = [builder.path(path, parameters, operations(''))];
  if (subresource === 'proxy') {
    paths.push(builder.path(`${path}/{path}`, [...parameters, 'path'], operations('WithPath')));
  }
  return paths;
}

/** `a Pod`, `an Ingress`, `Endpoints` */
function withArticle(kind: string): string {
  if (/[^s]s$/.test(kind)) return kind;
  return `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`;
}
