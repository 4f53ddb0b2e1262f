/**
 * `/openapi/v2` and `/openapi/v3`. A document is rendered on first request and kept compressed; its hash, by which
 * clients cache it, depends on the kinds only.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { kubernetesVersion } from '../../api/component-base/version-info.ts';
import { mergeDocuments } from '../../api/openapi/foreign-v2.ts';
import { rootPaths } from '../../api/openapi/root-paths.ts';
import type { JsonSchema, OpenApiGroupVersion, OpenApiResource } from '../../api/openapi/source.ts';
import { rootPath } from '../../api/openapi/source.ts';
import { openApiV2Document } from '../../api/openapi/v2.ts';
import { encodeOpenApiV2 } from '../../api/openapi/v2-protobuf.ts';
import {
  documentHash,
  openApiIndex,
  openApiV3Document,
  openApiV3RootDocument,
  rootDocumentHash,
} from '../../api/openapi/v3.ts';
import { encodeOpenApiV3 } from '../../api/openapi/v3-protobuf.ts';
import type { RequestHandler } from '../handler.ts';
import { parseAccept } from '../http/response/negotiate.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { DiscoveredGroup, DiscoveredResource } from './groups.ts';

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** The number of compressed documents to keep; a client that reads all of them has the others rendered again. */
const keptDocumentsMax = 12;
/** A document under its hash never changes. */
const immutableSeconds = 365 * 24 * 3600;

const jsonType = 'application/json';
const protobufType = {
  v2: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
  v3: 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf',
};
/** What clients before 1.27 ask for. */
const oldProtobufType = {
  v2: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  v3: 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf',
};

export interface OpenApiOptions {
  /** What discovery publishes about this server's own kinds. */
  groups(): readonly DiscoveredGroup<ServedResource>[];
  others?(): ForeignDocuments;
}

/** What servers behind this one document of what they serve. */
export interface ForeignDocuments {
  /** Of OpenAPI 2, in the order in which they are put into the document of all. */
  v2: readonly ForeignDocument[];
  /** The places of documents of OpenAPI 3, by the paths in the index; requests for them do not come here. */
  urls: ReadonlyMap<string, string>;
  /** Documents of OpenAPI 3 that such servers do not have themselves, by those paths. */
  converted: ReadonlyMap<string, ForeignDocument>;
}

export interface ForeignDocument {
  document: JsonSchema;
  hash: string;
}

const noDocuments: ForeignDocuments = { v2: [], urls: new Map(), converted: new Map() };

export class OpenApi {
  readonly #options: OpenApiOptions;
  /** By path or media type; promises, so that concurrent requests share the work. */
  readonly #kept = new Map<string, { hash: string; body: Promise<Uint8Array> }>();

  constructor(options: OpenApiOptions) {
    this.#options = options;
  }

  register(handler: RequestHandler): void {
    handler.addPath('/openapi/v2', (context) => this.#v2(context));
    handler.addPath('/openapi/v3', () => this.#index());
    handler.addPrefix('/openapi/v3/', (context) => this.#v3(context));
  }

  #sources(): OpenApiGroupVersion[] {
    return this.#options
      .groups()
      .flatMap(({ group, versions }) =>
        versions.map(({ version, resources }) => sourceOf(group, version, resources)),
      );
  }

  #others(): ForeignDocuments {
    return this.#options.others?.() ?? noDocuments;
  }

  #index(): ApiResponse {
    const { paths } = openApiIndex(this.#sources(), kubernetesVersion);
    const { urls, converted } = this.#others();
    for (const [path, { hash }] of converted)
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    for (const [path, serverRelativeURL] of urls) paths[path] = { serverRelativeURL };
    // Upstream leaves the type to a guess, which is this one.
    const contentType = 'text/plain; charset=utf-8';
    return { type: 'raw', status: 200, contentType, body: JSON.stringify({ paths }) };
  }

  async #v3({ request, info }: RequestContext): Promise<ApiResponse> {
    const path = info.path.slice('/openapi/v3'.length);
    const converted = this.#others().converted.get(path.slice(1));
    const document = converted
      ? { hash: converted.hash, make: () => converted.document }
      : findDocument(this.#sources(), path);
    if (!document) return bare(404);
    const contentType = contentTypeFor(request.header('accept'), 'v3');
    if (!contentType) return bare(406);
    const { hash } = document;
    const asked = request.query.get('hash');
    if (asked && asked !== hash) {
      const location = `/openapi/v3${path}?hash=${hash}`;
      return { type: 'raw', status: 301, contentType: 'text/plain', body: '', headers: { location } };
    }
    const headers: Record<string, string> = asked
      ? { 'cache-control': `public, immutable, max-age=${immutableSeconds}` }
      : {};
    const make = () => {
      const whole = document.make();
      return contentType === jsonType ? JSON.stringify(whole) : encodeOpenApiV3(whole);
    };
    return this.#answer(request, { key: `${contentType} ${path}`, hash, contentType, headers, make });
  }

  async #v2({ request }: RequestContext): Promise<ApiResponse> {
    const sources = this.#sources();
    const { v2: others } = this.#others();
    const facts = [v2Facts(sources), ...others.map(({ hash }) => hash)].join();
    const hash = documentHash({ group: 'all', version: 'v2', resources: [] }, facts);
    const contentType = contentTypeFor(request.header('accept'), 'v2');
    if (!contentType) return bare(406);
    const make = () => {
      const own = openApiV2Document(sources, kubernetesVersion);
      const document = others.reduce((merged, other) => mergeDocuments(merged, other.document), own);
      return contentType === jsonType ? JSON.stringify(document) : encodeOpenApiV2(document);
    };
    return this.#answer(request, { key: contentType, hash, contentType, headers: {}, make });
  }

  async #answer(request: RequestContext['request'], document: DocumentRequest): Promise<ApiResponse> {
    const { hash, contentType } = document;
    const etag = `"${hash}"`;
    const headers: Record<string, string> = { etag, vary: 'Accept-Encoding, Accept', ...document.headers };
    if (request.header('if-none-match') === etag) {
      return { type: 'raw', status: 304, contentType, body: '', headers };
    }
    const compressed = await this.#compressed(document);
    if (!(request.header('accept-encoding') ?? '').includes('gzip')) {
      return { type: 'raw', status: 200, contentType, body: await gunzipAsync(compressed), headers };
    }
    headers['content-encoding'] = 'gzip';
    return { type: 'raw', status: 200, contentType, body: compressed, headers };
  }

  #compressed({ key, hash, make }: DocumentRequest): Promise<Uint8Array> {
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    const entry = kept?.hash === hash ? kept : { hash, body: gzipAsync(make()) as Promise<Uint8Array> };
    this.#kept.set(key, entry);
    if (this.#kept.size > keptDocumentsMax) {
      const [oldest] = this.#kept.keys();
      this.#kept.delete(oldest!);
    }
    return entry.body;
  }
}

/** @param path `/apis/apps/v1`, or of a document about no resource: `/apis/apps`, `/version` */
function findDocument(
  sources: readonly OpenApiGroupVersion[],
  path: string,
): { hash: string; make(): JsonSchema } | undefined {
  const source = sources.find((candidate) => rootPath(candidate) === path);
  if (source)
    return {
      hash: documentHash(source, kubernetesVersion),
      make: () => openApiV3Document(source, kubernetesVersion),
    };
  const name = path.slice(1);
  const root = rootPaths(sources).get(name);
  return (
    root && {
      hash: rootDocumentHash(name, kubernetesVersion),
      make: () => openApiV3RootDocument(root, kubernetesVersion),
    }
  );
}

interface DocumentRequest {
  key: string;
  hash: string;
  contentType: string;
  headers: Record<string, string>;
  make(): string | Uint8Array;
}

/** The hashes of all group versions stand for the one document that holds them. */
function v2Facts(sources: readonly OpenApiGroupVersion[]): string {
  return sources.map((source) => documentHash(source, kubernetesVersion)).join();
}

/** The form of a document that the client prefers; undefined: it accepts none. */
function contentTypeFor(accept: string | undefined, version: 'v2' | 'v3'): string | undefined {
  for (const { type } of parseAccept(accept || '*/*')) {
    if (type === jsonType || type === 'application/*' || type === '*/*') return jsonType;
    if (type === protobufType[version] || type === oldProtobufType[version]) return protobufType[version];
  }
  return undefined;
}

/** As upstream's, it has no body. */
function bare(status: 404 | 406): ApiResponse {
  return { type: 'raw', status, contentType: '', headers: { vary: 'Accept' }, body: '' };
}

function sourceOf(
  group: string,
  version: string,
  discovered: readonly DiscoveredResource<ServedResource>[],
): OpenApiGroupVersion {
  const resources: OpenApiResource[] = [];
  const customSchemas = new Map<string, JsonSchema>();
  for (const { resource, subresources } of discovered) {
    const { plural, namespaced, kind } = resource;
    const returnsDeleted = resource.definition.returnsDeleted ?? false;
    resources.push({ name: plural, namespaced, kind, verbs: [...resource.verbs], returnsDeleted });
    for (const { name, verbs, type } of subresources) {
      resources.push({ kind, verbs, namespaced, ...type, name: `${plural}/${name}` });
    }
    const schema = resource.codec.openApiSchema;
    if (schema) customSchemas.set(kind, schema);
  }
  return { group, version, resources, customSchemas };
}
