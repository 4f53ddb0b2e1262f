/**
 * The controller runner. A controller says which kind it reconciles and how; the runner owns informers, queue,
 * de-duplication, back-off, protection from stale caches, concurrency and metrics.
 */

import {
  controllerOf,
  type KubeObject,
  keyOf,
  type LabelSelector,
  parseApiVersion,
  type ResourceType,
  splitKey,
} from '../../api/meta.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import { sameLabels } from '../../api/selectors/same-labels.ts';
import { StatusError } from '../../api/status.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Informer, InformerFactory } from '../informers/informer.ts';
import { TransportError } from '../transport/transport.ts';
import {
  type ControllerEnvironment,
  controllerIndex,
  controllerIndexValues,
  ReconcileCluster,
} from './controller-cluster.ts';
import { isInVain } from './owner-check.ts';
import { ReadableCaches } from './readable-caches.ts';
import { runWorkers, WorkQueue } from './work-queue.ts';

/** Other objects whose changes concern a reconciled one. Made by {@link watch}. */
export interface Watch {
  type: ResourceType;
  /** Keys to reconcile. `old` is undefined for a new object; for a deleted one it is `object` itself, the last state. */
  keysOf(object: KubeObject, old: KubeObject | undefined, informers: InformerFactory): Iterable<string>;
}

export function watch<W extends KubeObject>(
  type: ResourceType<W>,
  keysOf: (object: W, old: W | undefined, informers: InformerFactory) => Iterable<string>,
): Watch {
  return { type, keysOf: keysOf as Watch['keysOf'] };
}

/** What a reconcile may ask for besides an error's back-off. */
export interface ReconcileOutcome {
  /** Reconcile again after this time, even if nothing changes. */
  requeueAfterMs?: number;
  /** The shortest time before the next reconcile: changes until then are handled together. See {@link quietMsFor}. */
  quietMs?: number;
}

const quietMsMax = 100;

/** The pause after a reconcile that had to look at `count` objects: none for small ones, so that they stay quick. */
export function quietMsFor(count: number): number {
  return Math.min(quietMsMax, Math.floor(count / 20));
}

export interface ControllerDefinition<T extends KubeObject = KubeObject> {
  /** Name of the queue in metrics and logs: upstream's, where several controllers may share one. */
  name: string;
  /** `source.component` of its events; that of the recorder when absent. */
  component?: string;
  reconciles: ResourceType<T>;
  /** Kinds whose objects carry a controller reference to the reconciled kind. */
  owns?: readonly ResourceType[];
  /** With it, objects of the owned kinds without a controller lead to those whose selector matches them. */
  selectorOf?(object: T): LabelSelector | undefined;
  watches?: readonly Watch[];
  /** Kinds that a reconcile reads, whose changes call for nothing. */
  reads?: readonly ResourceType[];
  /** False for changes of the reconciled object itself that call for nothing. */
  concerns?(object: T, old: T | undefined): boolean;
  /** Brings keys by another way than those above, until the signal aborts. */
  source?(
    enqueue: (key: string) => void,
    environment: ControllerEnvironment,
    signal: AbortSignal,
  ): Promise<void>;
  /** Registers what it measures, so that it can be read before anything was measured. May follow what it counts. */
  metrics?(registry: MetricsRegistry | undefined, informers: InformerFactory): unknown;
  /** Reconciles at the same time, of different keys. */
  concurrency?: number;
  /** Retry delays, where upstream's differ from the queue's defaults. */
  backoff?: { firstMs: number; maxMs: number };
  reconcile(
    key: string,
    cluster: ReconcileCluster,
    signal: AbortSignal,
  ): Promise<ReconcileOutcome | undefined>;
}

/** A definition whose kind no longer matters; what {@link runController} takes. */
export type AnyController = ControllerDefinition<KubeObject>;

export function defineController<T extends KubeObject>(definition: ControllerDefinition<T>): AnyController {
  return definition as AnyController;
}

const defaultConcurrency = 16;

/** Runs until the signal aborts and the reconciles under way have ended. */
export async function runController(
  definition: AnyController,
  environment: ControllerEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const { informers, clock, metrics } = environment;
  const logger = environment.logger.for(definition.name);
  const queue = new WorkQueue({ name: definition.name, clock, metrics, backoff: definition.backoff });
  const { component } = definition;
  const recorder = component ? environment.recorder.for(component) : environment.recorder;
  const own = { ...environment, logger, recorder };
  const runner = new Runner(definition, own, queue);
  definition.metrics?.(metrics, informers);
  await informers.synced();
  runner.subscribe();
  const { concurrency = defaultConcurrency } = definition;
  const working = runWorkers(queue, concurrency, (key) => runner.work(key, signal), signal);
  await Promise.all([working, definition.source?.((key) => queue.add(key), own, signal)]);
}

class Runner {
  readonly #definition: AnyController;
  readonly #environment: ControllerEnvironment;
  readonly #queue: WorkQueue;
  readonly #main: Informer<KubeObject>;
  readonly #owned: readonly Informer<KubeObject>[];
  readonly #watched: readonly { watch: Watch; informer: Informer<KubeObject> }[];
  /** What a reconcile of a key reads: its writes must be visible there before the next. */
  readonly #caches: ReadableCaches;
  readonly #clusters = new Map<string, ReconcileCluster>();
  /** When keys that were costly may be looked at again, on the monotonic clock. */
  readonly #quietUntil = new Map<string, number>();

  constructor(definition: AnyController, environment: ControllerEnvironment, queue: WorkQueue) {
    this.#definition = definition;
    this.#environment = environment;
    this.#queue = queue;
    this.#caches = new ReadableCaches(environment.informers);
    this.#main = this.#caches.follow(definition.reconciles);
    this.#owned = (definition.owns ?? []).map((type) => {
      const informer = this.#caches.follow(type);
      informer.addIndex(controllerIndex, controllerIndexValues);
      return informer;
    });
    this.#watched = (definition.watches ?? []).map((row) => ({
      watch: row,
      informer: this.#caches.open(row.type),
    }));
    for (const type of definition.reads ?? []) this.#caches.open(type);
  }

  subscribe(): void {
    const { concerns } = this.#definition;
    const consider = (object: KubeObject, old: KubeObject | undefined) => {
      if (!concerns || concerns(object, old)) this.#queue.add(keyOf(object));
    };
    this.#main.handle({
      added: (object) => consider(object, undefined),
      updated: consider,
      deleted: (object) => this.#queue.add(keyOf(object)),
    });
    for (const informer of this.#owned) {
      informer.handle({
        added: (object) => this.#enqueueOwner(object, undefined),
        updated: (object, old) => this.#enqueueOwner(object, old),
        deleted: (object) => this.#enqueueController(object),
      });
    }
    for (const { watch: row, informer } of this.#watched) {
      const enqueue = (object: KubeObject, old: KubeObject | undefined) => {
        for (const key of row.keysOf(object, old, this.#environment.informers)) this.#queue.add(key);
      };
      informer.handle({
        added: (object) => enqueue(object, undefined),
        updated: enqueue,
        deleted: (object) => enqueue(object, object),
      });
    }
  }

  #enqueueOwner(object: KubeObject, old: KubeObject | undefined): void {
    if (old && controllerOf(old)?.uid !== controllerOf(object)?.uid) this.#enqueueController(old);
    if (controllerOf(object)) {
      this.#enqueueController(object);
      return;
    }
    const { selectorOf } = this.#definition;
    if (!selectorOf || object.metadata.deletionTimestamp) return;
    if (old && !controllerOf(old) && sameLabels(old.metadata.labels, object.metadata.labels)) return;
    for (const candidate of this.#main.inNamespace(object.metadata.namespace ?? '')) {
      const selector = selectorOf(candidate);
      if (selector && compileLabelSelector(selector)(object.metadata.labels ?? {}))
        this.#queue.add(keyOf(candidate));
    }
  }

  #enqueueController(object: KubeObject): void {
    const reference = controllerOf(object);
    const { kind, group } = this.#definition.reconciles;
    if (!reference || reference.kind !== kind || parseApiVersion(reference.apiVersion).group !== group)
      return;
    const { namespace } = object.metadata;
    this.#queue.add(keyOf({ metadata: { namespace, name: reference.name } }));
  }

  async work(key: string, signal: AbortSignal): Promise<void> {
    if (this.#isQuiet(key)) return;
    const cluster = this.#clusters.get(key) ?? this.#newCluster();
    this.#clusters.set(key, cluster);
    if (this.#mustCatchUp(key, cluster)) return;
    cluster.begin();
    try {
      const outcome = await this.#definition.reconcile(key, cluster, signal);
      this.#queue.forget(key);
      if (outcome) this.#putOff(key, outcome);
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(key, error);
    }
    if (cluster.ownWrites.areShown) this.#clusters.delete(key);
  }

  #newCluster(): ReconcileCluster {
    return new ReconcileCluster(this.#environment, this.#definition.reconciles, this.#caches);
  }

  /** Whether the caches do not show yet what the key's last reconcile wrote: it comes back when they do. */
  #mustCatchUp(key: string, { ownWrites }: ReconcileCluster): boolean {
    const lag = ownWrites.lag();
    // The event of a deletion brings the key back.
    if (lag === 'gone') this.#queue.retry(key);
    else if (lag && lag !== 'deletion')
      void lag.then(
        () => this.#queue.add(key),
        () => this.#queue.retry(key),
      );
    return lag !== undefined;
  }

  #putOff(key: string, { requeueAfterMs, quietMs }: ReconcileOutcome): void {
    if (requeueAfterMs !== undefined) this.#queue.addAfter(key, requeueAfterMs);
    if (quietMs) this.#quietUntil.set(key, this.#environment.clock.monotonic() + quietMs);
  }

  #fail(key: string, error: unknown): void {
    // Nothing can be created any longer, so no retry: the deletion's events bring the key back.
    if (isInVain(error)) this.#queue.forget(key);
    else {
      this.#report(key, error);
      this.#queue.retry(key);
    }
  }

  /** Puts the key off when its time has not come. */
  #isQuiet(key: string): boolean {
    const until = this.#quietUntil.get(key);
    if (until === undefined) return false;
    const leftMs = until - this.#environment.clock.monotonic();
    if (leftMs > 0) this.#queue.addAfter(key, leftMs);
    else this.#quietUntil.delete(key);
    return leftMs > 0;
  }

  /** The reconciled object went away meanwhile. */
  #isOwnEnd(key: string, { code, status }: StatusError): boolean {
    const { name, kind } = status.details ?? {};
    return code === 404 && kind === this.#definition.reconciles.plural && name === splitKey(key).name;
  }

  #report(key: string, error: unknown): void {
    const { logger } = this.#environment;
    // A lost race is everyday, and a server that is away is its own component's news.
    const isExpected =
      error instanceof TransportError ||
      (error instanceof StatusError && (error.code === 409 || this.#isOwnEnd(key, error)));
    if (isExpected) logger.debug('will try again', { key, error });
    else logger.warn('reconcile failed', { key, failures: this.#queue.failuresOf(key) + 1, error });
  }
}
