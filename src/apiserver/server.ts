/** Puts an API server together: store → view → kinds → admission → registry → handlers → listeners. */

import { builtinKinds } from '../api/builtin-kinds.ts';
import { nodeRules } from '../api/rbac/default-roles.ts';
import { ResourceQuota } from '../api/resources.gen.ts';
import { mastersGroup } from '../api/well-known.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { createClient } from '../client/create-client.ts';
import type { Transport } from '../client/transport.ts';
import type { Store } from '../storage/store.ts';
import { AdmissionChain } from './admission/admission.ts';
import { addBuiltinPlugins } from './admission/plugins.ts';
import { resourceQuota } from './admission/resource-quota.ts';
import { Aggregation } from './aggregation/aggregation.ts';
import type { FrontProxyIdentity } from './aggregation/backend.ts';
import { followLocalServices } from './aggregation/local-services.ts';
import { AuditLog } from './audit/audit-log.ts';
import type { AuditPolicy } from './audit/policy.ts';
import type { ServiceAccountTokens } from './authentication/service-account-tokens.ts';
import { ensureAuthenticationConfig } from './bootstrap/authentication-config.ts';
import { bootstrap, keepBootstrapObjects } from './bootstrap/bootstrap.ts';
import { keepKubernetesService } from './bootstrap/kubernetes-service.ts';
import { ComponentStatuses } from './component-statuses.ts';
import { CustomResources } from './custom-resources/custom-resources.ts';
import { Discovery } from './discovery/discovery.ts';
import { registerTokenDiscovery } from './discovery/oidc.ts';
import { OpenApi } from './discovery/openapi.ts';
import { addDynamicPlugins } from './dynamic-admission/plugins.ts';
import { followPolicies } from './dynamic-admission/policy-status.ts';
import { type DialService, WebhookClient } from './dynamic-admission/webhook-client.ts';
import { followFlowSchemas } from './flow-control/dangling.ts';
import { FlowControl } from './flow-control/flow-control.ts';
import { RequestHandler } from './handler.ts';
import { type HealthCheck, registerHealth } from './health.ts';
import { type Listener, listen } from './http/listener.ts';
import { createLocalTransport } from './http/local-transport.ts';
import { serveHttp } from './http/serve.ts';
import { AdmissionMetrics } from './metrics/admission-metrics.ts';
import { AuthorizationMetrics } from './metrics/authorization-metrics.ts';
import { celMetrics } from './metrics/cel-metrics.ts';
import { IdentityMetrics } from './metrics/identity-metrics.ts';
import { collectApiServices, registerMetrics } from './metrics/register.ts';
import { RequestMetrics } from './metrics/request-metrics.ts';
import { collectStorage, measuredStore } from './metrics/storage-metrics.ts';
import { MetricsApi } from './metrics-api/metrics-api.ts';
import { serviceDialer } from './nodes/endpoints.ts';
import { NodeConnector, type NodeCredentials } from './nodes/node-connector.ts';
import { KindRegistry } from './registry/kind-registry.ts';
import type { Registry } from './registry/registry.ts';
import type { UserInfo } from './request.ts';
import { createSecurity, type Security, type SecurityOptions } from './security.ts';
import { parseIpRange } from './services/ip-range.ts';
import { type PortRange, ServiceAllocation } from './services/service-allocation.ts';
import { ServiceClaims } from './services/service-claims.ts';
import { createSubresources } from './subresources/all.ts';
import { reviewHandlers } from './subresources/reviews.ts';
import { serveVersion } from './version.ts';
import { createViewReader } from './view-reader.ts';
import { StoreView } from './watch-cache/store-view.ts';
import { WatchSessions } from './watch-cache/watch-session.ts';

export interface ApiServerOptions {
  store: Store;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  /** True when other API servers write to the same store. */
  sharedStore?: boolean;
  /** For log, exec, attach, portforward and proxy: what the server shows to the nodes' agents. */
  nodes?: NodeCredentials;
  /** Reaches webhooks that are Services of the cluster. */
  dialService?: DialService;
  /** Requests at work at once; upstream's default when absent. */
  requestSeats?: number;
  /** The time that an ordinary request has; upstream's default when absent. */
  requestTimeoutMs?: number;
  /** Nothing is audited when absent. */
  audit?: { policy: AuditPolicy; write(line: string): void };
  /** Shown to aggregated API servers. */
  frontProxy?: FrontProxyIdentity;
  security?: SecurityOptions;
  /** Of whoever makes authorizers for this server's chain, too. */
  authorizationMetrics?: AuthorizationMetrics;
  /** Where pods reach this server; the listener's own address unless set. */
  advertiseAddress?: string;
  /** Addresses of services: 10.96.0.0/12 unless set. */
  serviceCidr?: string;
  /** Ports of NodePort services: 30000-32767 unless set. */
  nodePorts?: PortRange;
}

export interface ListenOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** PEM. */
  cert: string;
  key: string;
  /** PEM of the CAs whose client certificates are believed. */
  clientCa: string;
  headTimeoutMs?: number;
}

export interface ApiServer {
  readonly registry: Registry;
  readonly handler: RequestHandler;
  /** Issues tokens for service accounts; undefined when the server was given no key. */
  readonly serviceAccounts: ServiceAccountTokens | undefined;
  /** Whoever runs a part of the control plane adds it here. */
  readonly components: ComponentStatuses;
  listen(options: ListenOptions): Promise<Listener>;
  /** Requests of a component in this process, as `user`. */
  localTransport(user: UserInfo): Transport;
  close(): Promise<void>;
}

const defaultServiceCidr = '10.96.0.0/12';
const defaultNodePorts: PortRange = { first: 30_000, last: 32_767 };
/** History that is kept for watches and lists of the past. */
const historyMs = 5 * 60 * 1000;

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { clock, random, logger } = options;
  const log = logger.for('apiserver');
  const store = measuredStore(options.store, options.metrics, clock);
  const view = new StoreView({ store, clock, logger: log, shared: options.sharedStore ?? false });
  await view.start();
  const sessions = new WatchSessions({ view, store, clock });
  const kinds = new KindRegistry(view);
  for (const definition of builtinKinds) kinds.add(definition);
  const objects = createViewReader(kinds);
  const security = createSecurity(options.security ?? {}, {
    objects,
    clock,
    random,
    logger: log,
    nodeRules,
    authorizationMetrics: options.authorizationMetrics ?? new AuthorizationMetrics(options.metrics),
  });
  const admissionMetrics = new AdmissionMetrics(options.metrics, clock);
  const admission = new AdmissionChain(admissionMetrics);
  addBuiltinPlugins(admission, { objects, random, security });
  const nodes = new NodeConnector(objects, options.nodes);
  const dialService = options.dialService ?? serviceDialer(objects, nodes, random);
  const webhooks = new WebhookClient(dialService);
  addDynamicPlugins(admission, {
    objects,
    kinds,
    random,
    logger: log,
    client: webhooks,
    clock,
    metrics: admissionMetrics,
    authorize: security.authorize,
  });
  const services = serviceAllocation(view, options);
  const registry: Registry = {
    store,
    view,
    sessions,
    kinds,
    clock,
    random,
    logger: log,
    admission,
    authorize: security.authorize,
    allocators: new Map([['services/specs', services]]),
  };

  const subresources = createSubresources({ security, objects, nodes, random });
  const handler = new RequestHandler({
    registry,
    authenticate: security.authenticate,
    authorize: security.authorize,
    subresources,
    reviews: reviewHandlers(security),
    flowControl: new FlowControl({
      objects,
      clock,
      metrics: options.metrics,
      ...(options.requestSeats && { seats: options.requestSeats }),
      countOf: ({ group, version, resource }) => kinds.find(group, version, resource)?.cache?.size ?? 0,
    }),
    identities: new IdentityMetrics(options.metrics, clock),
    requestTimeoutMs: options.requestTimeoutMs,
    audit: options.audit && new AuditLog({ ...options.audit, clock, metrics: options.metrics }),
    clock,
    random,
    logger: log,
  });
  const listeners = new Set<Listener>();
  const serverAddress = () => {
    const first = [...listeners][0];
    return first ? `${first.host}:${first.port}` : '';
  };
  const closing = new AbortController();
  const metricsApi = new MetricsApi({ objects, nodes, clock, logger: log, signal: closing.signal });
  const ownClient = createClient(
    createLocalTransport(handler, { name: 'system:apiserver', groups: [mastersGroup] }, closing.signal),
  );
  const own = { client: ownClient, clock, logger: log, signal: closing.signal };
  const aggregation = new Aggregation({
    ...own,
    objects,
    dialService,
    frontProxy: options.frontProxy,
    metrics: options.metrics,
  });
  handler.addDelegate(aggregation.delegate);
  handler.addDelegate(metricsApi.delegate);
  const components = new ComponentStatuses(clock);
  components.add({ name: 'etcd-0', check: async () => void (await store.currentRevision()) });
  handler.addDelegate(components.delegate);
  const discovery = new Discovery({
    kinds,
    subresources,
    serverAddress,
    otherGroups: () => [...aggregation.groups(), ...metricsApi.groups()],
  });
  discovery.register(handler);
  new OpenApi({ groups: () => discovery.groups(), others: () => aggregation.groups() }).register(handler);
  registerOwnPaths(handler, security, healthChecks(store, view), clock);
  registerMetrics(handler, options.metrics, collectStorage(options.metrics, registry));
  collectApiServices(options.metrics, objects);
  const metrics = new RequestMetrics(options.metrics, clock, kinds);

  const range = parseIpRange(options.serviceCidr ?? defaultServiceCidr);
  services.claims = new ServiceClaims(registry, objects);
  await services.repair();
  await bootstrap(registry, range);
  if (options.frontProxy) await ensureAuthenticationConfig(registry, options.frontProxy.ca);

  const localTransport = (user: UserInfo) => createLocalTransport(handler, user, closing.signal);
  admission.add(
    resourceQuota(objects, (quota) => ownClient.update(ResourceQuota, quota, { subresource: 'status' })),
  );
  const celTimes = celMetrics(options.metrics, clock);
  new CustomResources({ kinds, view, webhooks, random, celTimes, ...own }).start();
  await followFlowSchemas({ kinds, objects, ...own });
  await followPolicies({ kinds, objects, ...own });
  followLocalServices({ kinds, ...own });
  aggregation.start();
  const compaction = compactRegularly(store, clock, log);
  const kept = keepBootstrapObjects(registry, closing.signal);
  const ownService = keepKubernetesService(registry, range, { shared: options.sharedStore ?? false });
  return {
    registry,
    handler,
    serviceAccounts: security.serviceAccounts,
    components,
    async listen(listenOptions) {
      const listener = await listen({
        ...listenOptions,
        logger: log,
        handle: (request, response) => serveHttp(handler, request, response, { clock, logger: log, metrics }),
      });
      listeners.add(listener);
      const address = options.advertiseAddress ?? listener.host;
      if (isReachableByPods(address)) await ownService.publish({ address, port: listener.port });
      return listener;
    },
    localTransport,
    async close() {
      closing.abort();
      compaction.cancel();
      await ownService.close();
      await kept;
      await Promise.all([...listeners].map((listener) => listener.close()));
      webhooks.close();
      await view.close();
    },
  };
}

/** What the server tells of itself. */
function registerOwnPaths(
  handler: RequestHandler,
  security: Security,
  checks: HealthCheck[],
  clock: Clock,
): void {
  handler.addPath('/version', serveVersion);
  registerHealth(handler, checks, clock);
  registerTokenDiscovery(handler, security);
}

/** What runs before the server listens has succeeded when anybody can ask; upstream's names for it stay. */
const doneAtStart = [
  'poststarthook/bootstrap-controller',
  'poststarthook/priority-and-fairness-config-producer',
  'poststarthook/rbac/bootstrap-roles',
  'poststarthook/scheduling/bootstrap-system-priority-classes',
];

/** A loopback address means nothing to a pod: such a server is for this machine alone. */
function isReachableByPods(address: string): boolean {
  return !/^(127\.|0\.0\.0\.0|::|localhost)/.test(address);
}

function healthChecks(store: Store, view: StoreView): HealthCheck[] {
  return [
    { name: 'ping', check: () => undefined },
    { name: 'log', check: () => undefined },
    { name: 'etcd', check: async () => void (await store.currentRevision()) },
    { name: 'informer-sync', onlyReadiness: true, check: async () => void (await view.caughtUp()) },
    ...doneAtStart.map((name) => ({ name, check: () => undefined })),
  ];
}

function serviceAllocation(view: StoreView, options: ApiServerOptions): ServiceAllocation {
  return new ServiceAllocation({
    range: parseIpRange(options.serviceCidr ?? defaultServiceCidr),
    nodePorts: options.nodePorts ?? defaultNodePorts,
    random: options.random,
    services: view.claim('services/specs'),
    serviceCidrs: view.claim('servicecidrs'),
    logger: options.logger.for('services'),
  });
}

/** Forgets history that is older than {@link historyMs}. */
function compactRegularly(store: Store, clock: Clock, logger: Logger): Timer {
  let timer: Timer;
  let target: number | undefined;
  const tick = async () => {
    try {
      const now = await store.currentRevision();
      if (target !== undefined) await store.compact(target);
      target = now;
    } catch (error) {
      logger.warn('history could not be compacted; the next round tries again', { error });
    }
  };
  const arm = () => {
    timer = clock.after(historyMs, () => {
      void tick();
      arm();
    });
  };
  arm();
  return { cancel: () => timer.cancel() };
}
