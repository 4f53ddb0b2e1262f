/** Assembles an API server, starts what follows its own objects, and shuts it down. */
import { ResourceQuota } from '../api/resources.gen.ts';
import type { Transport } from '../client/transport/transport.ts';
import { resourceQuota } from './admission/quota/resource-quota.ts';
import { followLocalServices, type LocalServices } from './aggregation/local-services.ts';
import type { ServiceAccountTokens } from './authentication/service-account-tokens.ts';
import { ensureAuthenticationConfig } from './bootstrap/authentication-config.ts';
import { bootstrap, keepBootstrapObjects } from './bootstrap/bootstrap.ts';
import { keepKubernetesService } from './bootstrap/kubernetes-service.ts';
import { compactRegularly } from './compaction.ts';
import { CustomResources } from './custom-resources/custom-resources.ts';
import type { ComponentStatuses } from './diagnostics/component-statuses.ts';
import { flagsOf } from './diagnostics/flags.ts';
import { type HealthCheck, registerHealth } from './diagnostics/health.ts';
import { registerStatusPages } from './diagnostics/status-pages.ts';
import { registerTokenDiscovery } from './discovery/oidc.ts';
import { OpenApi } from './discovery/openapi.ts';
import { serveVersion } from './discovery/version.ts';
import { followPolicies } from './dynamic-admission/policy-status.ts';
import { followFlowSchemas } from './flow-control/dangling.ts';
import type { RequestHandler } from './handler.ts';
import { type Listener, listen } from './http/listener.ts';
import { createLocalTransport } from './http/local-transport.ts';
import { serveHttp } from './http/serve.ts';
import { celMetrics } from './metrics/cel-metrics.ts';
import { collectFeatures } from './metrics/feature-metrics.ts';
import { collectApiServices, registerMetrics } from './metrics/register.ts';
import { RequestMetrics } from './metrics/request-metrics.ts';
import { collectStorage } from './metrics/storage-metrics.ts';
import { collectWatchCaches } from './metrics/watch-cache-metrics.ts';
import type { Registry } from './registry/registry.ts';
import type { UserInfo } from './request.ts';
import type { ApiServerOptions } from './server-options.ts';
import { ApiServerParts, openStore } from './server-parts.ts';
import { ServiceClaims } from './services/service-claims.ts';

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
  /** Components of the control plane register here. */
  readonly components: ComponentStatuses;
  listen(options: ListenOptions): Promise<Listener>;
  /** Requests of a component in this process, as `user`. */
  localTransport(user: UserInfo): Transport;
  close(): Promise<void>;
}

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const closing = new AbortController();
  const opened = await openStore(options);
  try {
    return await startApiServer(new ApiServerParts(options, opened, closing.signal), closing);
  } catch (error) {
    // The caller may try again, on the same store.
    closing.abort();
    await opened.view.close();
    throw error;
  }
}

async function startApiServer(parts: ApiServerParts, closing: AbortController): Promise<ApiServer> {
  const { options } = parts;
  const { clock, metrics, sharedStore: shared = false } = options;
  const { signal } = closing;
  const { registry, handler, store, view, listeners, serviceRange } = parts;
  describe(parts);
  const requestMetrics = new RequestMetrics(metrics, clock, parts.kinds);
  const refused = await fillStore(parts);
  const localServices = await followObjects(parts);
  registerHealth(handler, healthChecks(parts, localServices), clock);
  const compaction = compactRegularly(store, clock, registry.logger);
  const kept = keepBootstrapObjects(registry, signal, refused);
  const ownService = keepKubernetesService(registry, serviceRange, { shared });
  return {
    registry,
    handler,
    serviceAccounts: parts.security.serviceAccounts,
    components: parts.components,
    async listen(listenOptions) {
      const listener = await openListener(parts, requestMetrics, listenOptions);
      const address = options.advertiseAddress ?? listener.host;
      if (isReachableByPods(address)) await ownService.publish({ address, port: listener.port });
      return listener;
    },
    localTransport: (user) => createLocalTransport(handler, user, signal),
    async close() {
      closing.abort();
      compaction.cancel();
      await ownService.close();
      await kept;
      await Promise.all([...listeners].map((listener) => listener.close()));
      parts.webhooks.close();
      await view.close();
    },
  };
}

/** Registers discovery, OpenAPI and metrics. */
function describe(parts: ApiServerParts): void {
  const { handler, discovery, aggregation, registry, options } = parts;
  discovery.register(handler);
  new OpenApi({ groups: () => discovery.groups(), others: () => aggregation.openApi }).register(handler);
  handler.addRoute('/version', ['application/json'], serveVersion);
  for (const [name, dump] of Object.entries(parts.flowControl.dumps))
    handler.addPath(`/debug/api_priority_and_fairness/${name}`, dump);
  registerStatusPages(handler, { clock: options.clock, flags: flagsOf(options) });
  registerTokenDiscovery(handler, parts.security);
  registerMetrics(handler, options.metrics, collectStorage(options.metrics, registry));
  collectApiServices(options.metrics, parts.objects);
  collectFeatures(options.metrics);
  collectWatchCaches(options.metrics, parts.kinds);
}

/** What every cluster has is there before anybody asks. */
async function fillStore({ registry, objects, services, serviceRange, options }: ApiServerParts) {
  services.claims = new ServiceClaims(registry, objects);
  await services.repair();
  const refused = await bootstrap(registry, serviceRange);
  if (options.frontProxy) await ensureAuthenticationConfig(registry, options.frontProxy.ca);
  return refused;
}

/** Objects that change what the server does, or whose status it writes. */
async function followObjects(parts: ApiServerParts): Promise<LocalServices> {
  const { kinds, objects, view, webhooks, own, options } = parts;
  const { random, clock, metrics } = options;
  parts.admission.add(
    resourceQuota(objects, (quota) => own.client.update(ResourceQuota, quota, { subresource: 'status' })),
  );
  const celTimes = celMetrics(metrics, clock);
  new CustomResources({ kinds, view, store: options.store, webhooks, random, celTimes, ...own }).start();
  await followFlowSchemas({ kinds, objects, ...own });
  await followPolicies({ kinds, objects, ...own });
  parts.aggregation.start();
  return followLocalServices({ kinds, objects, ...own });
}

async function openListener(
  { handler, listeners, registry, options }: ApiServerParts,
  metrics: RequestMetrics,
  listenOptions: ListenOptions,
): Promise<Listener> {
  const { logger } = registry;
  const context = { clock: options.clock, logger, metrics };
  const listener = await listen({
    ...listenOptions,
    logger,
    onHandshakeError: () => metrics.handshakeFailed(),
    handle: (request, response) => serveHttp(handler, request, response, context),
  });
  listeners.add(listener);
  return listener;
}

/** Pods cannot use a loopback address: such a server is for this machine only. */
function isReachableByPods(address: string): boolean {
  return !/^(127\.|0\.0\.0\.0|::|localhost)/.test(address);
}

/**
 * What runs before the server listens has succeeded by the time it can be queried; under upstream's names, in its
 * order.
 */
const doneAtStart = [
  'start-apiserver-admission-initializer',
  'generic-apiserver-start-informers',
  'priority-and-fairness-config-consumer',
  'priority-and-fairness-filter',
  'storage-object-count-tracker-hook',
  'start-apiextensions-informers',
  'start-apiextensions-controllers',
  'crd-informer-synced',
  'start-system-namespaces-controller',
  'start-cluster-authentication-info-controller',
  'storage-readiness',
  'start-legacy-token-tracking-controller',
  'start-service-ip-repair-controllers',
  'rbac/bootstrap-roles',
  'scheduling/bootstrap-system-priority-classes',
  'priority-and-fairness-config-producer',
  'bootstrap-controller',
  'start-kubernetes-service-cidr-controller',
  'start-kube-aggregator-informers',
  'apiservice-status-local-available-controller',
  'apiservice-status-remote-available-controller',
  'apiservice-registration-controller',
  'apiservice-discovery-controller',
  'kube-apiserver-autoregistration',
];
const openApiDoneAtStart = ['apiservice-openapi-controller', 'apiservice-openapiv3-controller'];

function healthChecks({ store, view, own }: ApiServerParts, localServices: LocalServices): HealthCheck[] {
  const storeAnswers = async () => void (await store.currentRevision());
  const done = (name: string) => ({ name: `poststarthook/${name}`, check: () => undefined });
  return [
    { name: 'ping', check: () => undefined },
    { name: 'log', check: () => undefined },
    { name: 'etcd', check: storeAnswers },
    { name: 'etcd-readiness', onlyReadiness: true, check: storeAnswers },
    { name: 'informer-sync', onlyReadiness: true, check: async () => void (await view.caughtUp()) },
    ...doneAtStart.map(done),
    {
      name: 'autoregister-completion',
      check: () => (localServices.isComplete() ? undefined : 'missing APIService'),
    },
    ...openApiDoneAtStart.map(done),
    {
      name: 'shutdown',
      onlyReadiness: true,
      check: () => (own.signal.aborted ? 'process is shutting down' : undefined),
    },
  ];
}
