/** The parts of an API server: kinds over the store, security, admission, the registry, and what answers requests. */
import { lastUsedLabel } from '../api/core/legacy-token.ts';
import { builtinKinds } from '../api/kinds/builtin-kinds.ts';
import { nodeRules } from '../api/rbac/default-roles.ts';
import { Secret } from '../api/resources.gen.ts';
import { mastersGroup } from '../api/well-known.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import type { Store } from '../storage/store.ts';
import { AdmissionChain } from './admission/admission.ts';
import { addBuiltinPlugins } from './admission/plugins.ts';
import { Aggregation } from './aggregation/aggregation.ts';
import { AuditLog } from './audit/audit-log.ts';
import { LegacyTokenUses } from './authentication/legacy-token-uses.ts';
import { moveOldKeys } from './bootstrap/moved-keys.ts';
import { ComponentStatuses } from './diagnostics/component-statuses.ts';
import { Discovery } from './discovery/discovery.ts';
import { addDynamicPlugins } from './dynamic-admission/plugins.ts';
import { WebhookClient } from './dynamic-admission/webhook-client.ts';
import { FlowControl } from './flow-control/flow-control.ts';
import { RequestHandler } from './handler.ts';
import type { Listener } from './http/listener.ts';
import { createLocalTransport } from './http/local-transport.ts';
import { AdmissionMetrics } from './metrics/admission-metrics.ts';
import { AuthorizationMetrics } from './metrics/authorization-metrics.ts';
import { IdentityMetrics } from './metrics/identity-metrics.ts';
import { podSecurityMetrics } from './metrics/pod-security-metrics.ts';
import { measuredStore } from './metrics/storage-metrics.ts';
import { besideAdapters } from './metrics-api/beside-adapters.ts';
import { MetricsApi } from './metrics-api/metrics-api.ts';
import { serviceDialer } from './nodes/endpoints.ts';
import { NodeConnector } from './nodes/node-connector.ts';
import type { ObjectReader } from './object-reader.ts';
import type { DialService } from './outgoing/dial-service.ts';
import { serverManager } from './registry/ensure.ts';
import { KindRegistry } from './registry/kind-registry.ts';
import type { Registry } from './registry/registry.ts';
import { createSecurity, type Security } from './security.ts';
import type { ApiServerOptions } from './server-options.ts';
import { type IpRange, parseIpRange } from './services/ip-range.ts';
import { type PortRange, ServiceAllocation } from './services/service-allocation.ts';
import { createSubresources } from './subresources/all.ts';
import type { SubresourceHandlers } from './subresources/handlers.ts';
import { reviewHandlers } from './subresources/reviews.ts';
import { createViewReader } from './view-reader.ts';
import { StoreView } from './watch-cache/store-view.ts';
import { WatchSessions } from './watch-cache/watch-session.ts';

/** What services get when the options do not say. */
export const defaultServiceCidr = '10.96.0.0/12';
export const defaultNodePorts: PortRange = { first: 30_000, last: 32_767 };

/** The store, and a view that has caught up with it. */
export interface OpenStore {
  store: Store;
  view: StoreView;
  logger: Logger;
}

export async function openStore(options: ApiServerOptions): Promise<OpenStore> {
  const { clock, metrics, sharedStore: shared = false } = options;
  const logger = options.logger.for('apiserver');
  const store = measuredStore(options.store, metrics, clock);
  await moveOldKeys(store, logger);
  const view = new StoreView({ store, clock, logger, shared });
  await view.start();
  return { store, view, logger };
}

/** What the server itself asks of the API, as the highest of its users. */
export interface OwnAccess {
  client: Client;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

export class ApiServerParts {
  readonly options: ApiServerOptions;
  readonly store: Store;
  readonly view: StoreView;
  readonly kinds: KindRegistry;
  readonly objects: ObjectReader;
  readonly security: Security;
  readonly dialService: DialService;
  readonly webhooks: WebhookClient;
  readonly admission: AdmissionChain;
  readonly serviceRange: IpRange;
  readonly services: ServiceAllocation;
  readonly registry: Registry;
  readonly flowControl: FlowControl;
  readonly handler: RequestHandler;
  readonly own: OwnAccess;
  readonly aggregation: Aggregation;
  readonly components: ComponentStatuses;
  readonly discovery: Discovery;
  /** Those that are open. */
  readonly listeners = new Set<Listener>();
  readonly #logger: Logger;
  readonly #nodes: NodeConnector;
  readonly #metricsApi: MetricsApi;
  readonly #subresources: SubresourceHandlers;

  /** `signal`: ends what the server does by itself. */
  constructor(options: ApiServerOptions, { store, view, logger }: OpenStore, signal: AbortSignal) {
    const { clock, random } = options;
    this.options = options;
    this.store = store;
    this.view = view;
    this.#logger = logger;
    this.kinds = new KindRegistry(view);
    for (const definition of builtinKinds) this.kinds.add(definition);
    this.objects = createViewReader(this.kinds);
    this.security = this.#createSecurity();
    this.#nodes = new NodeConnector(this.objects, options.nodes);
    this.dialService = options.dialService ?? serviceDialer(this.objects, this.#nodes, random);
    this.webhooks = new WebhookClient(this.dialService, options.metrics);
    this.admission = this.#createAdmission();
    this.serviceRange = parseIpRange(options.serviceCidr ?? defaultServiceCidr);
    this.services = this.#createServiceAllocation();
    this.registry = this.#createRegistry();
    this.#subresources = createSubresources({
      security: this.security,
      objects: this.objects,
      nodes: this.#nodes,
      random,
    });
    this.flowControl = this.#createFlowControl();
    this.handler = this.#createHandler();
    const transport = createLocalTransport(this.handler, self, signal);
    this.own = { client: createClient(transport, { fieldManager: serverManager }), clock, logger, signal };
    this.aggregation = this.#createAggregation();
    this.#metricsApi = new MetricsApi({ objects: this.objects, nodes: this.#nodes, clock, logger, signal });
    this.components = this.#createComponents();
    this.discovery = this.#createDiscovery();
    const aggregated = besideAdapters(this.aggregation.delegate, this.#metricsApi.answerForPods);
    for (const delegate of [aggregated, this.#metricsApi.delegate, this.components.delegate])
      this.handler.addDelegate(delegate);
  }

  #createSecurity(): Security {
    const { clock, random, metrics, security = {} } = this.options;
    const uses = new LegacyTokenUses({
      clock,
      logger: this.#logger,
      write: ({ metadata: { namespace = '', name, uid } }, day) =>
        this.own.client.patch(
          Secret,
          { namespace, name },
          { metadata: { uid, labels: { [lastUsedLabel]: day } } },
          { type: 'merge' },
        ),
    });
    return createSecurity(security, {
      legacyTokenUsed: (secret) => uses.note(secret),
      objects: this.objects,
      clock,
      random,
      logger: this.#logger,
      nodeRules,
      authorizationMetrics: this.options.authorizationMetrics ?? new AuthorizationMetrics(metrics),
    });
  }

  #createAdmission(): AdmissionChain {
    const { clock, random } = this.options;
    const { objects, kinds, security, webhooks: client } = this;
    const metrics = new AdmissionMetrics(this.options.metrics, clock);
    const chain = new AdmissionChain(metrics);
    const podSecurityObserver = podSecurityMetrics(this.options.metrics);
    addBuiltinPlugins(chain, { objects, random, security, podSecurityObserver });
    const { authorize } = security;
    addDynamicPlugins(chain, {
      objects,
      kinds,
      random,
      logger: this.#logger,
      client,
      clock,
      metrics,
      authorize,
    });
    return chain;
  }

  #createServiceAllocation(): ServiceAllocation {
    const { nodePorts = defaultNodePorts, random, logger } = this.options;
    return new ServiceAllocation({
      range: this.serviceRange,
      nodePorts,
      random,
      services: this.view.claim('services/specs'),
      serviceCidrs: this.view.claim('servicecidrs'),
      logger: logger.for('services'),
    });
  }

  #createRegistry(): Registry {
    const { clock, random } = this.options;
    const { store, view, kinds, admission } = this;
    return {
      store,
      view,
      sessions: new WatchSessions({ view, store, clock }),
      kinds,
      clock,
      random,
      logger: this.#logger,
      admission,
      authorize: this.security.authorize,
      allocators: new Map([['services/specs', this.services]]),
    };
  }

  #createHandler(): RequestHandler {
    const {
      clock,
      random,
      metrics,
      requestTimeoutMs,
      requestBodyBytesMax: bodyBytesMax,
      audit,
    } = this.options;
    const { registry, security } = this;
    return new RequestHandler({
      registry,
      authenticate: security.authenticate,
      authorize: security.authorize,
      subresources: this.#subresources,
      reviews: reviewHandlers(security, clock),
      flowControl: this.flowControl,
      identities: new IdentityMetrics(metrics, clock),
      requestTimeoutMs,
      bodyBytesMax,
      audit: audit && new AuditLog({ ...audit, clock, metrics, logger: this.#logger }),
      clock,
      random,
      logger: this.#logger,
    });
  }

  #createFlowControl(): FlowControl {
    const { clock, metrics, requestSeats } = this.options;
    const { objects, kinds } = this;
    return new FlowControl({
      objects,
      clock,
      metrics,
      ...(requestSeats && { seats: requestSeats }),
      statsOf({ group, version, resource }) {
        const cache = kinds.find(group, version, resource)?.cache;
        return cache && { count: cache.size, bytes: cache.sizeBytes };
      },
      watchersOf: (info) =>
        kinds.find(info.group, info.version, info.resource)?.cache?.watchers.interestedIn(info) ?? 0,
    });
  }

  #createAggregation(): Aggregation {
    const { frontProxy, metrics } = this.options;
    const { own, objects, dialService } = this;
    return new Aggregation({ ...own, objects, dialService, frontProxy, metrics });
  }

  #createComponents(): ComponentStatuses {
    const components = new ComponentStatuses(this.options.clock);
    components.add({ name: 'etcd-0', check: async () => void (await this.store.currentRevision()) });
    return components;
  }

  #createDiscovery(): Discovery {
    return new Discovery({
      kinds: this.kinds,
      subresources: this.#subresources,
      serverAddress: () => {
        const [first] = this.listeners;
        return first ? `${first.host}:${first.port}` : '';
      },
      otherGroups: () => [...this.aggregation.groups(), ...this.#metricsApi.groups()],
    });
  }
}

const self = { name: 'system:apiserver', groups: [mastersGroup] };
