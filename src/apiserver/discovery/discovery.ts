/** The discovery endpoints: `/api`, `/apis` and what is below them, remade whenever the kinds change. */
import { createHash } from 'node:crypto';
import { methodNotAllowed, unknownPath } from '../../api/status.ts';
import type { RequestHandler } from '../handler.ts';
import { encodeValue } from '../http/response/encode.ts';
import { contentTypes, type MediaType, mediaFor, parseAccept } from '../http/response/negotiate.ts';
import { prettyFor } from '../http/response/pretty.ts';
import { objectTypes, requireProducible } from '../http/response/producible.ts';
import { pageNotFound } from '../plain-answers.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { SubresourceHandlers } from '../subresources/handlers.ts';
import { type AggregatedVersion, groupDiscoveryList } from './aggregated.ts';
import { type DiscoveredGroup, discoverGroups, withOtherGroups } from './groups.ts';
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from './legacy.ts';

export interface DiscoveryOptions {
  kinds: KindRegistry;
  subresources: SubresourceHandlers;
  /** `host:port` under which clients reach the server. */
  serverAddress(): string;
  /** Groups of other servers, put among those of the kinds by their priorities. */
  otherGroups?(): readonly DiscoveredGroup[];
}

export class Discovery {
  readonly #options: DiscoveryOptions;
  #groups: DiscoveredGroup<ServedResource>[] = [];
  #generation = -1;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /** For the kinds of this server, without {@link DiscoveryOptions.otherGroups}. */
  groups(): readonly DiscoveredGroup<ServedResource>[] {
    const { kinds, subresources } = this.#options;
    if (this.#generation !== kinds.generation) {
      this.#groups = discoverGroups(kinds, subresources);
      this.#generation = kinds.generation;
    }
    return this.#groups;
  }

  #allGroups(): readonly DiscoveredGroup[] {
    const others = this.#options.otherGroups?.() ?? [];
    return others.length === 0 ? this.groups() : withOtherGroups(this.groups(), others);
  }

  register(handler: RequestHandler): void {
    handler.addRoute('/api', objectTypes, (context) => this.#core(context));
    handler.addPath('/', () => plain({ paths: this.#rootPaths(handler.paths) }));
    handler.addPath('/apis', (context) => this.#groupList(context));
    handler.addPrefix('/api/', (context) => this.#below(context));
    handler.addPrefix('/apis/', (context) => this.#below(context));
  }

  /** Every path that is served, for the server's root. As upstream's, that of all groups stands there twice. */
  #rootPaths(own: Iterable<string>): string[] {
    const ofGroups = this.#allGroups().flatMap(({ group, versions }) => {
      const root = group ? `/apis/${group}` : '/api';
      return [root, ...versions.map(({ version }) => `${root}/${version}`)];
    });
    return [...new Set([...own, '/apis/', ...ofGroups])].filter((path) => path !== '/').sort();
  }

  #core(context: RequestContext): ApiResponse {
    const aggregated = aggregatedForm(context);
    const core = this.groups().filter(({ group }) => group === '');
    if (aggregated) return aggregatedAnswer(context, core, aggregated);
    return plain(apiVersions(this.#options.serverAddress()));
  }

  #groupList(context: RequestContext): ApiResponse {
    const aggregated = aggregatedForm(context);
    const named = this.#allGroups().filter(({ group }) => group !== '');
    if (aggregated) return aggregatedAnswer(context, named, aggregated);
    return plain(apiGroupList(named));
  }

  /** `/api/v1`, `/apis/GROUP`, `/apis/GROUP/VERSION`. */
  #below(context: RequestContext): ApiResponse {
    const { info, request } = context;
    const parts = info.path.split('/').filter((part) => part !== '');
    const [root, ...rest] = parts;
    if (root === 'apis' && rest.length === 0) return this.#groupList(context);
    const group = root === 'api' ? '' : (rest.shift() ?? '');
    const [version, ...deeper] = rest;
    const found = this.#allGroups().find((entry) => entry.group === group);
    // For an unknown group, upstream's mux answers in plain text.
    if (!found && root === 'apis' && deeper.length === 0) return pageNotFound;
    if (!found || deeper.length > 0) throw unknownPath();
    if (version === undefined) return plain(apiGroup(found));
    const inVersion = found.versions.find((entry) => entry.version === version);
    if (!inVersion) throw unknownPath();
    // A group is answered by the aggregator, which does not look at the method.
    if (request.method !== 'GET') throw methodNotAllowed();
    requireProducible(context, objectTypes);
    return plain(apiResourceList(group ? `${group}/${version}` : version, inVersion.resources));
  }
}

function plain(object: Record<string, unknown>): ApiResponse {
  return { type: 'plain', status: 200, object };
}

interface AggregatedForm {
  media: MediaType;
  version: AggregatedVersion;
}

/**
 * The form of aggregated discovery that the client prefers; it takes precedence over the unaggregated one wherever it
 * is listed.
 */
function aggregatedForm({ request }: RequestContext): AggregatedForm | undefined {
  for (const clause of parseAccept(request.header('accept') ?? '')) {
    const { as, g, v } = clause.parameters;
    if (as !== 'APIGroupDiscoveryList' || g !== 'apidiscovery.k8s.io') continue;
    const [media] = mediaFor(clause);
    if (media && (v === 'v2' || v === 'v2beta1')) return { media, version: v };
  }
  return undefined;
}

function aggregatedAnswer(
  { request }: RequestContext,
  groups: readonly DiscoveredGroup[],
  { media, version }: AggregatedForm,
): ApiResponse {
  const list = groupDiscoveryList(groups, version);
  const etag = `"${createHash('sha512').update(JSON.stringify(list)).digest('hex').toUpperCase()}"`;
  const contentType = `${contentTypes[media]};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  const headers = { etag, vary: 'Accept', 'cache-control': 'public' };
  if (request.header('if-none-match') === etag)
    return { type: 'raw', status: 304, contentType, body: '', headers };
  const schema = `io.k8s.api.apidiscovery.${version}.APIGroupDiscoveryList`;
  const { body } = prettyFor(request, encodeValue(list, { media }, schema));
  return { type: 'raw', status: 200, contentType, body, headers };
}
