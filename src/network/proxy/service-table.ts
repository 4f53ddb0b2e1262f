/** The kernel's table of services: holds what its owners want, and is changed by differences, one transaction at a time. */
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { createCommandRunner } from '../command.ts';
import { type Cleaner, changesText, type ElementChange, ElementTable } from '../nftables/element-table.ts';
import { keepTable } from '../nftables/kept-table.ts';
import { createNft, type Nft } from '../nftables/nft.ts';
import { createSyncLoop, type SyncLoop } from '../sync-loop.ts';
import { startAffinityCleaner } from './affinity.ts';
import { startConntrackCleaner } from './conntrack.ts';
import type { ProxyHealth } from './proxy-server.ts';
import type { Element } from './rules.ts';
import { dynamicChainText, type SkeletonOptions, skeletonText, tableName, versionChain } from './skeleton.ts';

export interface ServiceTableOptions extends SkeletonOptions {
  clock: Clock;
  logger: Logger;
  metrics: MetricsRegistry;
  /** Words before `nft` and `conntrack`, to work in another namespace. */
  enter?: readonly string[];
}

/** What an owner (a service, a pod, …) wants in the table now. */
export type RulesOf = (owner: string) => readonly Element[];

/** Upstream's: twice the interval of its synchronisations. */
const failsBearablyMs = 60_000;

/** Elements of the set `hairpin` that no service wants any longer, each owned by its key. */
const lingeringOwner = 'lingering:';
/**
 * A packet that was sent to an endpoint by the rules before a transaction meets the rules after it on its way out. Were
 * the endpoint's hairpin element gone by then, a connection of a pod to itself would begin with its own address and
 * never be answered.
 */
const lingerMs = 1_000;

/** Collects touched owners while a transaction runs, and makes the next transaction from all of them. */
export class ServiceTable {
  readonly #options: ServiceTableOptions;
  readonly #rulesOf: RulesOf;
  readonly #loop: SyncLoop;
  readonly #nft: Nft;
  readonly #elements = new ElementTable();
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

  constructor(options: ServiceTableOptions, rulesOf: RulesOf, signal: AbortSignal) {
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
    const run = createCommandRunner(options.enter ?? []);
    this.#conntrack = startConntrackCleaner({ run, logger: options.logger });
    this.#affinity = startAffinityCleaner({ nft: this.#nft, logger: options.logger });
    void keepTable(
      {
        ...options,
        name: tableName,
        run,
        isWanted: () => this.#isReconciled,
        restore: () => this.#remake(),
      },
      signal,
    );
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
    return this.#elements.size;
  }

  owns(owner: string): boolean {
    return this.#elements.has(owner);
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

  #remake(): void {
    this.#isReconciled = false;
    this.#loop.touch();
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
    const changes = this.#elements.takeChanges();
    const commands = this.#newChains(changes) + changesText(tableName, changes);
    const text = prelude + commands;
    if (prelude !== '') await this.#nft.apply(text);
    else if (commands !== '') await this.#nft.change(commands);
    this.#isReconciled = true;
    if (text === '') return;
    this.#seconds.observe((this.#options.clock.monotonic() - startMs) / 1000);
    this.#conntrack.clean(changes, this.#elements);
    this.#affinity.clean(changes, this.#elements);
  }

  #replace(owner: string): void {
    const wanted = owner.startsWith(lingeringOwner) ? this.#lingering(owner) : this.#rulesOf(owner);
    if (!owner.startsWith(lingeringOwner)) this.#letLinger(owner, wanted);
    const { lost } = this.#elements.replace(owner, wanted);
    for (const { set, key } of lost) {
      if (set === 'hairpin') continue;
      this.#options.logger.warn('another service has this address and port already', { owner, set, key });
    }
  }

  #letLinger(owner: string, wanted: readonly Element[]): void {
    const kept = new Set(wanted.filter(({ set }) => set === 'hairpin').map(({ key }) => key));
    for (const element of this.#elements.of(owner)) {
      if (element.set !== 'hairpin' || kept.has(element.key)) continue;
      const lingering = `${lingeringOwner}${element.key}`;
      this.#elements.replace(lingering, [element]);
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
      this.#elements.restart(new Map(Object.entries(sets)));
      this.#chains = new Set(listed.chains);
      return '';
    }
    this.#elements.restart(new Map());
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
