/**
 * The service proxy of a node: follows services, their endpoint slices and the node's own pods, and keeps the kernel's
 * table as rules.ts decides, by differences, one transaction at a time. The rules outlive the process.
 */
import { keyOf } from '../../api/meta.ts';
import { type EndpointSlice, Node, Pod, Service, ServiceCIDR } from '../../api/resources.gen.ts';
import { zoneLabel } from '../../api/well-known.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { createCommandRunner } from '../command.ts';
import { serviceKeyOf, serviceSlices } from '../service-slices.ts';
import { setConntrackTimeouts } from './conntrack-timeouts.ts';
import { createHealthChecks, type HealthChecks, healthCheckPort } from './health-check.ts';
import { computeHostPortRules } from './host-ports.ts';
import type { ProxyHealth } from './proxy-server.ts';
import { computeServiceRules, type Element } from './rules.ts';
import { isForProxies, type NodeView } from './service-backends.ts';
import { serviceRanges, startServiceRoutes } from './service-ranges.ts';
import { ServiceTable, type ServiceTableOptions } from './service-table.ts';

export interface ProxyOptions extends ServiceTableOptions {
  nodeName: string;
  /** The range of service addresses that always exists; ServiceCIDRs add to it. */
  serviceCidr: string;
  /** Service addresses that the node itself answers, such as that of cluster DNS. */
  ownServiceAddresses: readonly string[];
  informers: InformerFactory;
}

export interface ServiceProxy {
  /** Resolves when every change that was known at the time of the call is in the kernel. */
  settled(): Promise<void>;
  /** Resolves when clients of removed endpoints have been moved on, which happens after the rules changed. */
  cleaned(): Promise<void>;
  /** The number of elements that the table should have. */
  readonly elementCount: number;
  health(): ProxyHealth;
}

/** Distinguishes owners that are pods from those that are services; no namespace contains a colon. */
const podOwner = 'pod:';
const rangesOwner = 'ranges:';
const rangeElement = (key: string): Element => ({ set: 'service-ranges', key, value: '' });

/**
 * Resolves when the first complete state is in the kernel. Ends when `signal` aborts, and leaves the rules in place.
 */
export async function startProxy(options: ProxyOptions, signal: AbortSignal): Promise<ServiceProxy> {
  const followed = followedBy(options);
  const { services, slices, pods, nodes, ranges } = followed;
  await Promise.all([services, slices.informer, pods, nodes, ranges].map((informer) => informer.synced()));
  const node: NodeView = {
    name: options.nodeName,
    zone: zoneOf(followed, options.nodeName),
    ownServiceAddresses: options.ownServiceAddresses,
  };
  const rulesOf = (owner: string) => {
    if (owner === rangesOwner)
      return serviceRanges(options.serviceCidr, ranges.list()).map((key) => rangeElement(key));
    if (owner.startsWith(podOwner)) return computeHostPortRules(pods.get(owner.slice(podOwner.length)));
    const service = services.get(owner);
    return service ? computeServiceRules(service, slices.of(owner), node) : [];
  };
  const table = new ServiceTable(options, rulesOf, signal);
  const isProxyHealthy = () => table.health().isHealthy;
  const healthChecks = createHealthChecks({ ...options, isProxyHealthy }, signal);
  followChanges(followed, { node, table, healthChecks });
  await table.start();
  const run = createCommandRunner(options.enter);
  const routes = startServiceRoutes({ ...options, run }, signal);
  await setConntrackTimeouts({ run, logger: options.logger });
  await routes.settled();
  return {
    settled: async () => {
      await table.settled();
      await routes.settled();
    },
    cleaned: () => table.cleaned(),
    health: () => table.health(),
    get elementCount() {
      return table.elementCount;
    },
  };
}

function followedBy({ informers, nodeName }: ProxyOptions) {
  return {
    services: informers.of(Service),
    slices: serviceSlices(informers),
    pods: informers.of(Pod, { fieldSelector: `spec.nodeName=${nodeName}` }),
    nodes: informers.of(Node, { fieldSelector: `metadata.name=${nodeName}` }),
    ranges: informers.of(ServiceCIDR),
  };
}

type Followed = ReturnType<typeof followedBy>;

function zoneOf({ nodes }: Followed, nodeName: string): string | undefined {
  return nodes.get(nodeName)?.metadata.labels?.[zoneLabel];
}

/** Tells the table which owners' rules a change may affect, and updates the health checks and the node's zone. */
function followChanges(
  followed: Followed,
  { node, table, healthChecks }: { node: NodeView; table: ServiceTable; healthChecks: HealthChecks },
): void {
  const { services, slices, pods, nodes, ranges } = followed;
  const checkHealth = (owner: string) => {
    const service = services.get(owner);
    if (!service || healthCheckPort(service) === undefined) healthChecks.remove(owner);
    else healthChecks.set(service, countLocalEndpoints(slices.of(owner), node.name));
  };
  const touch = (owner: string) => {
    table.touch(owner);
    checkHealth(owner);
  };
  const touchService = (service: Service) => touch(keyOf(service));
  services.handle({ added: touchService, updated: touchService, deleted: touchService });
  const touchSlice = (slice: EndpointSlice, old = slice) => {
    touch(serviceKeyOf(slice));
    if (old !== slice) touch(serviceKeyOf(old));
  };
  slices.informer.handle({
    added: (slice) => touchSlice(slice),
    updated: touchSlice,
    deleted: (slice) => touchSlice(slice),
  });
  const touchPod = (pod: Pod) => {
    if (computeHostPortRules(pod).length > 0 || table.owns(podOwner + keyOf(pod)))
      table.touch(podOwner + keyOf(pod));
  };
  pods.handle({ added: touchPod, updated: touchPod, deleted: touchPod });
  const touchNode = () => {
    const zone = zoneOf(followed, node.name);
    if (node.zone === zone) return;
    node.zone = zone;
    for (const service of services.list()) touchService(service);
  };
  nodes.handle({ added: touchNode, updated: touchNode });
  const touchRanges = () => table.touch(rangesOwner);
  ranges.handle({ added: touchRanges, updated: touchRanges, deleted: touchRanges });
  touchRanges();
}

function countLocalEndpoints(slices: readonly EndpointSlice[], nodeName: string): number {
  const local = slices
    .filter(isForProxies)
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter((endpoint) => endpoint.nodeName === nodeName && endpoint.conditions?.ready !== false);
  return new Set(local.flatMap(({ addresses }) => addresses)).size;
}
