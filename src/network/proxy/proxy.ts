/**
 * The service proxy of a node: follows services, their endpoint slices and the node's own pods, and keeps the kernel's
 * table as rules.ts decides, by differences, one transaction at a time. The rules outlive the process.
 */
import { keyOf } from '../../api/meta.ts';
import { type EndpointSlice, Node, Pod, Service, ServiceCIDR } from '../../api/resources.gen.ts';
import { zoneLabel } from '../../api/well-known.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { createCommandRunner } from '../command.ts';
import { type Cleaner, changesText, type ElementChange, ElementTable } from '../element-table.ts';
import { createNft, type Nft } from '../nft.ts';
import { serviceKeyOf, serviceSlices } from '../service-slices.ts';
import { createSyncLoop, type SyncLoop } from '../sync-loop.ts';
import { startAffinityCleaner } from './affinity.ts';
import { startConntrackCleaner } from './conntrack.ts';
import { setConntrackTimeouts } from './conntrack-timeouts.ts';
import { createHealthChecks, type HealthChecks, healthCheckPort } from './health-check.ts';
import { computeHostPortRules } from './host-ports.ts';
import type { ProxyHealth } from './proxy-server.ts';
import { computeServiceRules, type Element, isForProxies, type NodeView } from './rules.ts';
import { serviceRanges, startServiceRoutes } from './service-ranges.ts';
import { dynamicChainText, type SkeletonOptions, skeletonText, tableName, versionChain } from './skeleton.ts';

export interface ProxyOptions extends SkeletonOptions {
  nodeName: string;
  /** The range of service addresses that always exists; ServiceCIDRs add to it. */
  serviceCidr: string;
  /** Service addresses that the node itself answers, such as that of cluster DNS. */
  ownServiceAddresses: readonly string[];
  informers: InformerFactory;
  clock: Clock;
  logger: Logger;
  metrics: MetricsRegistry;
  /** Words before `nft` and `conntrack`, to work in another namespace. */
  enter?: readonly string[];
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
  const syncer = new Syncer(options, rulesOf, signal);
  const isProxyHealthy = () => syncer.health().isHealthy;
  const healthChecks = createHealthChecks({ ...options, isProxyHealthy }, signal);
  followChanges(followed, { node, syncer, healthChecks });
  await syncer.start();
  const run = createCommandRunner(options.enter);
  const routes = startServiceRoutes({ ...options, run }, signal);
  await setConntrackTimeouts({ run, logger: options.logger });
  await routes.settled();
  return {
    settled: async () => {
      await syncer.settled();
      await routes.settled();
    },
    cleaned: () => syncer.cleaned(),
    health: () => syncer.health(),
    get elementCount() {
      return syncer.elementCount;
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

/** Tells the syncer which owners' rules a change may affect, and updates the health checks and the node's zone. */
function followChanges(
  followed: Followed,
  { node, syncer, healthChecks }: { node: NodeView; syncer: Syncer; healthChecks: HealthChecks },
): void {
  const { services, slices, pods, nodes, ranges } = followed;
  const checkHealth = (owner: string) => {
    const service = services.get(owner);
    if (!service || healthCheckPort(service) === undefined) healthChecks.remove(owner);
    else healthChecks.set(service, countLocalEndpoints(slices.of(owner), node.name));
  };
  const touch = (owner: string) => {
    syncer.touch(owner);
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
    if (computeHostPortRules(pod).length > 0 || syncer.owns(podOwner + keyOf(pod)))
      syncer.touch(podOwner + keyOf(pod));
  };
  pods.handle({ added: touchPod, updated: touchPod, deleted: touchPod });
  const touchNode = () => {
    const zone = zoneOf(followed, node.name);
    if (node.zone === zone) return;
    node.zone = zone;
    for (const service of services.list()) touchService(service);
  };
  nodes.handle({ added: touchNode, updated: touchNode });
  const touchRanges = () => syncer.touch(rangesOwner);
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

/** Upstream's: twice the interval of its synchronisations. */
const failsBearablyMs = 60_000;

/** Distinguishes owners that are pods from those that are services; no namespace contains a colon. */
const podOwner = 'pod:';
const rangesOwner = 'ranges:';
/** Elements of the set `hairpin` that no service wants any longer, each owned by its key. */
const lingeringOwner = 'lingering:';
/**
 * A packet that was sent to an endpoint by the rules before a transaction meets the rules after it on its way out. Were
 * the endpoint's hairpin element gone by then, a connection of a pod to itself would begin with its own address and
 * never be answered.
 */
const lingerMs = 1_000;

const rangeElement = (key: string): Element => ({ set: 'service-ranges', key, value: '' });

/** Collects touched owners while a transaction runs, and makes the next transaction from all of them. */
class Syncer {
  readonly #options: ProxyOptions;
  readonly #rulesOf: (owner: string) => ReturnType<typeof computeServiceRules>;
  readonly #loop: SyncLoop;
  readonly #nft: Nft;
  readonly #table = new ElementTable();
  readonly #touched = new Set<string>();
  readonly #conntrack: Cleaner;
  readonly #affinity: Cleaner;
  readonly #seconds;
  readonly #failures;
  readonly #signal: AbortSignal;
  /** By lingering owner: how often its element was released in the last {@link lingerMs}. */
  readonly #timesLet = new Map<string, number>();
  #chains = new Set<string>();
  /** False until the kernel's table is known to be ours, and again after a failed transaction. */
  #isReconciled = false;
  /** When transactions began to fail. */
  #failsSinceMs: number | undefined;

  constructor(
    options: ProxyOptions,
    rulesOf: (owner: string) => ReturnType<typeof computeServiceRules>,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#rulesOf = rulesOf;
    this.#signal = signal;
    this.#loop = createSyncLoop(
      {
        clock: options.clock,
        logger: options.logger,
        failure: 'service rules could not be applied',
        sync: () => this.#syncOrReconcile(),
      },
      signal,
    );
    this.#nft = createNft(options, signal);
    this.#conntrack = startConntrackCleaner({
      run: createCommandRunner(options.enter ?? []),
      logger: options.logger,
    });
    this.#affinity = startAffinityCleaner({ nft: this.#nft, logger: options.logger });
    this.#seconds = options.metrics.histogram(
      'kubeproxy_sync_proxy_rules_duration_seconds',
      'Seconds from a set of changes to the end of its transaction.',
      [0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 15],
    );
    this.#failures = options.metrics.counter(
      'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
      'Transactions that the kernel refused.',
    );
  }

  get elementCount(): number {
    return this.#table.size;
  }

  owns(owner: string): boolean {
    return this.#table.has(owner);
  }

  touch(owner: string): void {
    this.#touched.add(owner);
    this.#loop.touch();
  }

  /** Takes over the kernel's table, even when no service wants anything. */
  start(): Promise<void> {
    this.#loop.touch();
    return this.#loop.settled();
  }

  settled(): Promise<void> {
    return this.#loop.settled();
  }

  /** Rules in their wanted state are as fresh as can be, however long ago they changed. */
  health(): ProxyHealth {
    const now = this.#options.clock.now();
    const lastUpdatedMs = this.#failsSinceMs ?? now;
    return { isHealthy: now - lastUpdatedMs < failsBearablyMs, lastUpdatedMs };
  }

  async cleaned(): Promise<void> {
    await Promise.all([this.#conntrack.idle(), this.#affinity.idle()]);
  }

  async #syncOrReconcile(): Promise<void> {
    try {
      await this.#sync();
      this.#failsSinceMs = undefined;
    } catch (error) {
      this.#isReconciled = false;
      this.#failsSinceMs ??= this.#options.clock.now();
      this.#failures.add(1);
      throw error;
    }
  }

  async #sync(): Promise<void> {
    const startMs = this.#options.clock.monotonic();
    const owners = [...this.#touched];
    this.#touched.clear();
    for (const owner of owners) this.#replace(owner);
    const prelude = this.#isReconciled ? '' : await this.#reconcile();
    const changes = this.#table.takeChanges();
    const commands = this.#newChains(changes) + changesText(tableName, changes);
    const text = prelude + commands;
    if (prelude !== '') await this.#nft.apply(text);
    else if (commands !== '') await this.#nft.change(commands);
    this.#isReconciled = true;
    if (text === '') return;
    this.#seconds.observe((this.#options.clock.monotonic() - startMs) / 1000);
    this.#conntrack.clean(changes, this.#table);
    this.#affinity.clean(changes, this.#table);
  }

  #replace(owner: string): void {
    const wanted = owner.startsWith(lingeringOwner) ? this.#lingering(owner) : this.#rulesOf(owner);
    if (!owner.startsWith(lingeringOwner)) this.#letLinger(owner, wanted);
    const { lost } = this.#table.replace(owner, wanted);
    for (const { set, key } of lost) {
      if (set === 'hairpin') continue;
      this.#options.logger.warn('another service has this address and port already', { owner, set, key });
    }
  }

  #letLinger(owner: string, wanted: readonly Element[]): void {
    const kept = new Set(wanted.filter(({ set }) => set === 'hairpin').map(({ key }) => key));
    for (const element of this.#table.of(owner)) {
      if (element.set !== 'hairpin' || kept.has(element.key)) continue;
      const lingering = `${lingeringOwner}${element.key}`;
      this.#table.replace(lingering, [element]);
      this.#timesLet.set(lingering, (this.#timesLet.get(lingering) ?? 0) + 1);
      void pause(this.#options.clock, lingerMs, this.#signal).then(() => {
        this.#timesLet.set(lingering, this.#timesLet.get(lingering)! - 1);
        this.touch(lingering);
      });
    }
  }

  #lingering(owner: string): readonly Element[] {
    if (this.#timesLet.get(owner)! > 0)
      return [{ set: 'hairpin', key: owner.slice(lingeringOwner.length), value: '' }];
    this.#timesLet.delete(owner);
    return [];
  }

  /** Reads the kernel's table. Returns the script that creates it where it is absent or of another version, or ''. */
  async #reconcile(): Promise<string> {
    const listed = await this.#nft.listTable(tableName);
    if (listed?.chains.has(versionChain(this.#options))) {
      const { affinity: _ofClients, ...sets } = Object.fromEntries(listed.elements);
      this.#table.restart(new Map(Object.entries(sets)));
      this.#chains = new Set(listed.chains);
      return '';
    }
    this.#table.restart(new Map());
    this.#chains = new Set();
    const fresh = skeletonText(this.#options);
    return listed ? `delete table ip ${tableName}\n${fresh}` : fresh;
  }

  #newChains(changes: readonly ElementChange[]): string {
    let text = '';
    for (const { after } of changes) {
      if (!after?.startsWith('goto ')) continue;
      const chain = after.slice('goto '.length);
      if (this.#chains.has(chain)) continue;
      this.#chains.add(chain);
      text += dynamicChainText(chain, this.#options) ?? '';
    }
    return text;
  }
}
