/** Watches all collections that discovery lists: as resources come and go, so do the watches. */
import { apiVersionOf, type KubeObject, type ResourceType } from '../api/meta.ts';
import { APIService, CustomResourceDefinition } from '../api/resources.gen.ts';
import type { ControllerEnvironment } from '../client/controller/controller-cluster.ts';
import { runWorkers, WorkQueue } from '../client/controller/work-queue.ts';
import { type DiscoveredResource, discoverResources } from '../client/discovery.ts';
import { type ReflectorSink, runReflector } from '../client/informers/reflector.ts';

/** Definitions tend to change in batches; one discovery serves a whole batch. */
const discoveryDelayMs = 250;
/** Aggregated servers announce nothing: their resources are found by polling. */
const discoveryIntervalMs = 300_000;
/**
 * Objects that cannot be listed, such as those whose conversion fails, delay the start no longer than this; upstream's
 * limit.
 */
const firstListsMs = 30_000;
/** A discovery takes some forty requests: what it could not learn is retried with restraint. */
const discoveryBackoff = { firstMs: 100, maxMs: discoveryIntervalMs };

export interface FollowOptions {
  /** Of the queue of discoveries, in metrics and logs. */
  name: string;
  /** Receives all resources of the server, before any of them is followed. */
  discovered?(resources: readonly DiscoveredResource[]): void;
  /** Of resources that can be listed and watched. */
  isWanted(resource: DiscoveredResource): boolean;
  /** Receives the metadata of a collection's objects. */
  sinkOf(resource: ResourceType): ReflectorSink<KubeObject>;
  /** A discovery was incomplete. */
  failed?(): void;
  /** The resource is gone, or no longer wanted. */
  stopped?(resource: ResourceType): void;
}

interface Followed {
  resource: ResourceType;
  stop: AbortController;
  synced: Promise<void>;
}

export class FollowedResources {
  readonly #environment: ControllerEnvironment;
  readonly #options: FollowOptions;
  readonly #signal: AbortSignal;
  readonly #discovery: WorkQueue;
  readonly #ready = Promise.withResolvers<void>();
  #isReady = false;
  /** By `group/plural`. */
  readonly #followed = new Map<string, Followed>();

  constructor(environment: ControllerEnvironment, options: FollowOptions, signal: AbortSignal) {
    this.#environment = environment;
    this.#options = options;
    this.#signal = signal;
    const { clock } = environment;
    this.#discovery = new WorkQueue({ name: options.name, clock, backoff: discoveryBackoff });
    signal.addEventListener('abort', () => this.#ready.resolve(), { once: true });
  }

  /** Resolves when all wanted resources were listed once, or took too long, or the signal aborts. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Repeats discovery, and decides again which resources are wanted. */
  refresh(): void {
    this.#discovery.addAfter('all', discoveryDelayMs);
  }

  /** Until the signal aborts. */
  async run(): Promise<void> {
    const { informers, logger } = this.#environment;
    const refresh = () => this.refresh();
    for (const type of [CustomResourceDefinition, APIService] as ResourceType[])
      informers.of(type).handle({ added: refresh, updated: refresh, deleted: refresh });
    this.#discovery.add('all');
    await runWorkers(
      this.#discovery,
      1,
      async (key) => {
        try {
          const isComplete = await this.#discover();
          if (isComplete) this.#discovery.forget(key);
          else this.#failed(key);
          this.#discovery.addAfter(key, discoveryIntervalMs);
          this.#becomeReady();
        } catch (error) {
          if (!this.#signal.aborted) logger.warn('discovery failed', { error });
          this.#failed(key);
        }
      },
      this.#signal,
    );
  }

  /** Discovery goes on meanwhile: the next may find that the awaited resource is gone. */
  #becomeReady(): void {
    if (this.#isReady) return;
    const { clock } = this.#environment;
    const timer = clock.after(firstListsMs, () => this.#ready.resolve());
    void Promise.all([...this.#followed.values()].map(({ synced }) => synced)).then(() => {
      timer.cancel();
      this.#isReady = true;
      this.#ready.resolve();
    });
  }

  #failed(key: string): void {
    this.#options.failed?.();
    this.#discovery.retry(key);
  }

  /** Starts to follow new resources, and stops following those that are gone. False: some could not be discovered. */
  async #discover(): Promise<boolean> {
    const { resources, failures } = await discoverResources(this.#environment.client, this.#signal);
    this.#options.discovered?.(resources);
    const present = new Set<string>();
    for (const resource of resources) {
      if (!['list', 'watch'].every((verb) => resource.verbs.includes(verb))) continue;
      if (!this.#options.isWanted(resource)) continue;
      const key = `${resource.group}/${resource.plural}`;
      present.add(key);
      const known = this.#followed.get(key);
      if (!known) this.#followed.set(key, this.#follow({ ...resource }));
      else if (known.resource.version !== resource.version && !failures.has(apiVersionOf(known.resource)))
        this.#followed.set(key, this.#followAnew(known, resource));
    }
    for (const [key, { resource, stop }] of this.#followed) {
      if (present.has(key) || failures.has(apiVersionOf(resource))) continue;
      stop.abort(new Error('the resource is gone'));
      this.#followed.delete(key);
      this.#options.stopped?.(resource);
    }
    return failures.size === 0;
  }

  /**
   * The version changed, since the earlier one may no longer be served. To consumers that keep its objects it is the
   * same resource.
   */
  #followAnew({ resource, stop }: Followed, { version }: DiscoveredResource): Followed {
    stop.abort(new Error('the resource has another version'));
    resource.version = version;
    return this.#follow(resource);
  }

  #follow(resource: ResourceType): Followed {
    const stop = new AbortController();
    const end = () => stop.abort(this.#signal.reason);
    if (this.#signal.aborted) end();
    this.#signal.addEventListener('abort', end, { once: true });
    const synced = Promise.withResolvers<void>();
    const { client, clock, random, logger } = this.#environment;
    const sink = this.#options.sinkOf(resource);
    void runReflector<KubeObject>(
      { client, type: resource, filter: { metadataOnly: true }, clock, random, logger, signal: stop.signal },
      {
        // An answer may still arrive after the watch has ended.
        replace(items, resourceVersion) {
          if (!stop.signal.aborted) sink.replace(items, resourceVersion);
          synced.resolve();
        },
        apply(type, object) {
          if (!stop.signal.aborted) sink.apply(type, object);
        },
        progressed(resourceVersion) {
          if (!stop.signal.aborted) sink.progressed(resourceVersion);
        },
      },
    ).finally(() => {
      this.#signal.removeEventListener('abort', end);
      synced.resolve();
    });
    return { resource, stop, synced: synced.promise };
  }
}
