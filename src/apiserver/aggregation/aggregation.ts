/**
 * Aggregated API servers: APIServices name a service that answers for a group version. Their health is looked after, what
 * they serve is read from their discovery, and requests are proxied to them with the caller's identity.
 */
import { APIService } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { StatusError } from '../../api/status.ts';
import { mastersGroup } from '../../api/well-known.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Counter, MetricsRegistry } from '../../base/metrics.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { Client } from '../../client/client.ts';
import type { DiscoverableResource, DiscoveredGroup, DiscoveredResource } from '../discovery/groups.ts';
import { compareVersions } from '../discovery/groups.ts';
import type { ForeignDocuments } from '../discovery/openapi.ts';
import type { Delegate } from '../handler.ts';
import type { ObjectReader } from '../object-reader.ts';
import { askBackend } from './ask-backend.ts';
import {
  type Availability,
  availabilityFromObjects,
  isAvailable,
  passed,
  unavailable,
  withAvailability,
} from './availability.ts';
import { type BackendOptions, forward, serviceAddress } from './backend.ts';
import { OpenApiDocuments } from './openapi-documents.ts';

export interface AggregationOptions extends BackendOptions {
  objects: ObjectReader;
  /** Of the server itself. */
  client: Client;
  clock: Clock;
  logger: Logger;
  metrics: MetricsRegistry;
  signal: AbortSignal;
}

interface ListedResource {
  name: string;
  singularName?: string;
  namespaced: boolean;
  /** Of what it takes and gives, where that is of another group or version. */
  group?: string;
  version?: string;
  kind: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
}

/** How often servers are checked; an unavailable one is checked as often. */
const probeIntervalMs = 2_000;
const probeTimeoutMs = 5_000;
const probeUser = { name: 'system:kube-aggregator', groups: [mastersGroup] };

export class Aggregation {
  readonly #options: AggregationOptions;
  /** What the last successful probe of an APIService found, by its UID: another one of the same name is not known yet. */
  readonly #resources = new Map<string, ListedResource[]>();
  readonly #documents: OpenApiDocuments;
  #probing: Promise<void> | undefined;
  #probedChanges = -1;

  /** Times that a server was there and then not. */
  readonly #lost: Counter;

  constructor(options: AggregationOptions) {
    this.#options = options;
    this.#documents = new OpenApiDocuments(options);
    this.#lost = options.metrics.counter(
      'aggregator_unavailable_apiservice_total',
      'Counter of APIServices which are marked as unavailable broken down by APIService name and reason.',
    );
  }

  start(): void {
    const { clock, logger, signal } = this.#options;
    const tick = () => {
      if (signal.aborted) return;
      this.#probing ??= this.#probeAll()
        .catch((error: unknown) => logger.warn('aggregated API servers could not be looked at', { error }))
        .finally(() => {
          this.#probing = undefined;
        });
      clock.after(probeIntervalMs, tick);
    };
    tick();
  }

  /**
   * For discovery: the groups and versions that other servers answer for, with what they served last. Those that do not
   * answer now are there, too: who deletes a namespace must know that it cannot be emptied yet.
   */
  groups(): DiscoveredGroup[] {
    const groups = new Map<string, DiscoveredGroup>();
    for (const service of [...this.#remote()].sort(byPriority)) {
      const { group = '', version = '' } = service.spec;
      const listed = this.#resources.get(service.metadata.uid) ?? [];
      // They are sorted: that of the first is the highest.
      const known = groups.get(group) ?? { group, versions: [], priority: service.spec.groupPriorityMinimum };
      groups.set(group, known);
      known.versions.push({
        version,
        resources: listed.filter(isTopLevel).map((entry) => discovered(group, version, { entry, listed })),
        priority: service.spec.versionPriority,
        ...(!isAvailable(service) && { isStale: true }),
      });
    }
    return [...groups.values()];
  }

  /** What the servers document, those first whose documents come first. */
  get openApi(): ForeignDocuments {
    const known = [...this.#remote()].sort(byPriority).flatMap((service) => {
      const documents = this.#documents.of(service.metadata.name);
      return documents ? [{ service, documents }] : [];
    });
    return {
      v2: known.flatMap(({ documents }) => documents.v2 ?? []),
      urls: new Map(known.toReversed().flatMap(({ documents }) => [...documents.urls])),
      converted: new Map(
        known.flatMap(({ service, documents: { converted } }) =>
          converted ? [[openApiPath(service), converted] as const] : [],
        ),
      ),
    };
  }

  /** Handles requests for group versions that an APIService delegates to a service, and for OpenAPI documents there. */
  readonly delegate: Delegate = (context) => {
    const service = this.#serviceFor(context.info.path);
    if (!service) return undefined;
    if (isAvailable(service)) return forward(service, context, this.#options);
    return {
      type: 'raw',
      status: 503,
      contentType: 'text/plain; charset=utf-8',
      body: 'service unavailable\n',
    };
  };

  #serviceFor(path: string): APIService | undefined {
    const document = /^\/openapi\/v3\/(apis\/.+)$/.exec(path)?.[1];
    if (document !== undefined) return this.#documentingServer(document);
    const match = /^\/apis\/([^/]+)\/([^/]+)(\/|$)/.exec(path);
    const service = match && this.#options.objects.get(APIService, '', `${match[2]}.${match[1]}`);
    return service?.spec.service ? service : undefined;
  }

  /** The one that answers for a group version documents it, too; what else is documented is asked of the first. */
  #documentingServer(path: string): APIService | undefined {
    let first: APIService | undefined;
    for (const service of [...this.#remote()].sort(byPriority)) {
      if (!this.#documents.of(service.metadata.name)?.urls.has(path)) continue;
      if (openApiPath(service) === path) return service;
      first ??= service;
    }
    return first;
  }

  *#remote(): Generator<APIService> {
    for (const service of this.#options.objects.list(APIService)) if (service.spec.service) yield service;
  }

  async #probeAll(): Promise<void> {
    // Of this server's own parts there is news only when the objects change.
    const changes = this.#options.objects.changesOf(APIService);
    if (changes === this.#probedChanges && this.#remote().next().done) return;
    this.#probedChanges = changes;
    this.#forgetDeleted();
    await Promise.all([...this.#options.objects.list(APIService)].map((service) => this.#probe(service)));
  }

  #forgetDeleted(): void {
    const left = [...this.#remote()].map(({ metadata }) => metadata);
    this.#documents.keepOnly(new Set(left.map(({ name }) => name)));
    const uids = new Set(left.map(({ uid }) => uid));
    for (const uid of this.#resources.keys()) if (!uids.has(uid)) this.#resources.delete(uid);
  }

  async #probe(service: APIService): Promise<void> {
    const availability =
      availabilityFromObjects(this.#options.objects, service) ?? (await this.#ask(service));
    const { client, clock, logger, signal } = this.#options;
    const conditions = withAvailability(service.status?.conditions, availability, formatTime(clock.now()));
    if (conditions === service.status?.conditions) return;
    try {
      const status = { ...service.status, conditions: [...conditions] };
      await client.update(APIService, { ...service, status }, { subresource: 'status', signal });
      if (isAvailable(service) && availability.status !== 'True')
        this.#lost.add(1, { name: service.metadata.name, reason: availability.reason ?? 'UnknownReason' });
    } catch (error) {
      // Another client changed or deleted it: the next round checks again.
      const isStale = error instanceof StatusError && ['Conflict', 'NotFound'].includes(error.reason);
      if (!isStale && !signal.aborted)
        logger.warn('the state of an APIService could not be written', { error });
    }
  }

  /** Requests what the server serves: an answer to that makes it available. */
  async #ask(service: APIService): Promise<Availability> {
    const { group = '', version = '' } = service.spec;
    const path = `/apis/${group}/${version}`;
    const url = `https://${serviceAddress(this.#options.objects, service)}${path}`;
    const timeout = AbortSignal.timeout(probeTimeoutMs);
    const signal = AbortSignal.any([this.#options.signal, timeout]);
    try {
      const answer = await askBackend(service, this.#options, { path, user: probeUser, signal });
      if (answer.status !== 200) return failing(url, `bad status from ${url}: ${answer.status}`);
      this.#resources.set(service.metadata.uid, readResources(answer.text));
      this.#documents.refresh(service);
      return passed;
    } catch (error) {
      const why = timeout.aborted ? 'context deadline exceeded' : messageOf(error);
      return failing(url, `Get ${JSON.stringify(url)}: ${why}`);
    }
  }
}

/** As indexes name the document of what an APIService is about. */
function openApiPath({ spec: { group = '', version = '' } }: APIService): string {
  return `apis/${group}/${version}`;
}

function failing(url: string, why: string): Availability {
  return unavailable('FailedDiscoveryCheck', `failing or missing response from ${url}: ${why}`);
}

/** As clients of discovery prefer them: groups, and then their versions. */
function byPriority({ spec: a }: APIService, { spec: b }: APIService): number {
  const [group, other] = [a.group ?? '', b.group ?? ''];
  if (group !== other) return b.groupPriorityMinimum - a.groupPriorityMinimum || (group < other ? -1 : 1);
  return b.versionPriority - a.versionPriority || compareVersions(a.version ?? '', b.version ?? '');
}

/** Checks another server's answer: a malformed list would be an error in every client's discovery. @throws Error */
function readResources(text: string): ListedResource[] {
  const { resources } = (JSON.parse(text) ?? {}) as { resources?: unknown };
  const listed = resources ?? [];
  if (!Array.isArray(listed) || !listed.every(isListedResource))
    throw new Error('the answer is no list of resources');
  return listed;
}

function isListedResource(value: unknown): value is ListedResource {
  if (typeof value !== 'object' || value === null) return false;
  const { name, singularName, group, version, kind, verbs, shortNames, categories } = value as Record<
    string,
    unknown
  >;
  const isText = (each: unknown) => typeof each === 'string';
  const isList = (list: unknown) => Array.isArray(list) && list.every(isText);
  return (
    [name, kind].every(isText) &&
    isList(verbs) &&
    [singularName, group, version].every((text) => isText(text ?? '')) &&
    [shortNames, categories].every((list) => isList(list ?? []))
  );
}

function isTopLevel({ name }: ListedResource): boolean {
  return !name.includes('/');
}

function discovered(
  group: string,
  version: string,
  { entry, listed }: { entry: ListedResource; listed: readonly ListedResource[] },
): DiscoveredResource {
  const { name: plural, kind, namespaced, verbs } = entry;
  const resource: DiscoverableResource = {
    group,
    version,
    plural,
    kind,
    namespaced,
    verbs: new Set(verbs),
    cache: undefined,
    definition: {
      type: { group, version, plural, kind, namespaced },
      singular: entry.singularName ?? '',
      shortNames: entry.shortNames ?? [],
      categories: entry.categories ?? [],
    },
  };
  const subresources = listed
    .filter(({ name }) => name.startsWith(`${plural}/`))
    .map(({ name, verbs, ...type }) => ({
      name: name.slice(plural.length + 1),
      verbs,
      type: { group: type.group || group, version: type.version || version, kind: type.kind },
    }));
  return { resource, subresources };
}
