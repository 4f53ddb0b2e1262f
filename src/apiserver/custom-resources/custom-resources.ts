/**
 * Follows CustomResourceDefinitions: serves what is established, writes their conditions, and cleans up the instances of
 * those that are deleted. Runs inside the API server, because what it decides is what the server serves.
 */
import { isDeepStrictEqual } from 'node:util';
import { cleanupFinalizer } from '../../api/apiextensions/custom-resource-definition.ts';
import type { KindDefinition } from '../../api/kinds/kind.ts';
import { CustomResourceDefinition } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { isNotFound } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import type { Store } from '../../storage/store.ts';
import type { KindRegistry } from '../registry/kind-registry.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import type { StoreView } from '../watch-cache/store-view.ts';
import { type CustomKindServices, customKind, instancesPrefix } from './custom-kind.ts';
import { approvalConditions, hasCondition, mergeConditions, type NamesInUse, planNames } from './names.ts';

const retry = { firstMs: 20, maxMs: 5_000 };
/** Concurrent deletions of instances while a definition is being removed. */
const deletionsMax = 32;

export interface CustomResourcesOptions extends CustomKindServices {
  kinds: KindRegistry;
  view: StoreView;
  store: Store;
  /** Of the server itself: may do everything. */
  client: Client;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

interface Served {
  definition: KindDefinition;
  /** Of the CustomResourceDefinition that it was made from. */
  spec: CustomResourceDefinition['spec'];
  acceptedNames: unknown;
}

export class CustomResources {
  readonly #options: CustomResourcesOptions;
  readonly #cache: ResourceCache;
  readonly #served = new Map<string, Served>();
  /** Definitions to look at, in order of arrival. */
  readonly #queue = new Set<string>();
  /** Definitions that go when the last of their instances has gone. */
  readonly #awaited = new Set<string>();
  /** Definitions whose instances are being deleted now; true: to be looked at again then. */
  readonly #cleaning = new Map<string, boolean>();
  /** How often each has failed in a row. */
  readonly #failures = new Map<string, number>();
  #working: Promise<void> | undefined;

  constructor(options: CustomResourcesOptions) {
    this.#options = options;
    const resource = options.kinds.findStored(
      CustomResourceDefinition.group,
      CustomResourceDefinition.plural,
    );
    if (!resource?.cache) throw new Error('CustomResourceDefinitions are not served');
    this.#cache = resource.cache;
  }

  /** Serves at once what was established before, and follows changes from then on. */
  start(): void {
    for (const cached of this.#cache.values()) {
      const definition = cached.object as CustomResourceDefinition;
      if (hasCondition(definition, 'Established')) this.#serveOrSay(definition);
      this.#enqueue(cached.key);
    }
    const stop = this.#cache.listen((events) => {
      for (const event of events) this.#enqueue(event.object.key);
    });
    this.#options.signal.addEventListener('abort', stop, { once: true });
  }

  /** A definition that cannot be served, as an older version or another server left it, does not affect the others. */
  #serveOrSay(definition: CustomResourceDefinition): void {
    try {
      this.#serve(definition);
    } catch (error) {
      const { name } = definition.metadata;
      this.#options.logger.warn('a custom resource definition cannot be served', { name, error });
    }
  }

  #enqueue(name: string): void {
    this.#queue.add(name);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    const { signal } = this.#options;
    while (this.#queue.size > 0 && !signal.aborted) {
      const name = this.#queue.values().next().value!;
      this.#queue.delete(name);
      try {
        await this.#reconcile(name);
        if (!this.#cleaning.has(name)) this.#failures.delete(name);
      } catch (error) {
        void this.#tryLater(name, error);
      }
    }
    this.#working = undefined;
  }

  /** Others are handled meanwhile. */
  async #tryLater(name: string, error: unknown): Promise<void> {
    const { signal, logger, clock } = this.#options;
    if (signal.aborted) return;
    logger.warn('a custom resource definition could not be brought in line; it is tried again', {
      name,
      error,
    });
    const failures = this.#failures.get(name) ?? 0;
    this.#failures.set(name, failures + 1);
    await pause(clock, backoffDelayMs(retry, failures), signal);
    if (!signal.aborted) this.#enqueue(name);
  }

  async #reconcile(name: string): Promise<void> {
    const definition = this.#cache.get(name)?.object as CustomResourceDefinition | undefined;
    if (!definition) return this.#stopServing(name);
    if (definition.metadata.deletionTimestamp) return this.#beginCleanUp(definition);
    const plan = planNames(definition, this.#namesInUse(definition));
    const now = formatTime(this.#options.clock.now());
    const status = {
      ...definition.status,
      acceptedNames: plan.acceptedNames,
      conditions: mergeConditions(
        definition.status?.conditions ?? [],
        [...plan.conditions, ...approvalConditions(definition)],
        now,
      ),
      storedVersions: withStorageVersion(definition),
    };
    const next = { ...definition, status };
    if (plan.isEstablished) this.#serve(next);
    if (!isDeepStrictEqual(status, definition.status)) await this.#writeStatus(next);
  }

  #serve(definition: CustomResourceDefinition): void {
    const { name } = definition.metadata;
    const { spec, status } = definition;
    const known = this.#served.get(name);
    const acceptedNames = status?.acceptedNames;
    if (known && isDeepStrictEqual(known.spec, spec) && isDeepStrictEqual(known.acceptedNames, acceptedNames))
      return;
    const custom = customKind(definition, this.#options);
    if (known) this.#options.kinds.remove(known.definition);
    this.#options.kinds.add(custom.definition, custom.options);
    this.#served.set(name, { definition: custom.definition, spec, acceptedNames });
  }

  #stopServing(name: string): void {
    this.#failures.delete(name);
    const known = this.#served.get(name);
    if (!known) return;
    this.#options.kinds.remove(known.definition);
    this.#served.delete(name);
    // Its names are free for those that were refused them.
    for (const cached of this.#cache.values()) {
      if (!hasCondition(cached.object as CustomResourceDefinition, 'NamesAccepted'))
        this.#enqueue(cached.key);
    }
  }

  /** Apart from the queue: instances may be many, and webhooks slow. One at a time of each definition. */
  #beginCleanUp(definition: CustomResourceDefinition): void {
    const { name } = definition.metadata;
    if (this.#cleaning.has(name)) {
      this.#cleaning.set(name, true);
      return;
    }
    this.#cleaning.set(name, false);
    const ended = () => {
      const isChanged = this.#cleaning.get(name);
      this.#cleaning.delete(name);
      if (isChanged) this.#enqueue(name);
    };
    this.#cleanUp(definition).then(
      () => {
        this.#failures.delete(name);
        ended();
      },
      (error: unknown) => {
        ended();
        void this.#tryLater(name, error);
      },
    );
  }

  /** Deletes every instance, and completes the definition's deletion when the last is gone. */
  async #cleanUp(definition: CustomResourceDefinition): Promise<void> {
    const { name, finalizers = [] } = definition.metadata;
    if (!finalizers.includes(cleanupFinalizer)) return;
    const served = this.#served.get(name);
    const cache = this.#options.view.claim(instancesPrefix(definition.spec));
    if (cache.size > 0) {
      const reason = 'InstanceDeletionInProgress';
      await this.#setTerminating(definition, 'True', reason, 'CustomResource deletion is in progress');
      if (served) await this.#deleteInstances(served.definition, cache);
      else await this.#discardInstances(cache);
      if (cache.size > 0) {
        // Finalizers hold some back: looked at again when one of them is gone.
        this.#enqueueWhenEmpty(name, cache);
        return;
      }
    }
    const current = await this.#setTerminating(
      definition,
      'False',
      'InstanceDeletionCompleted',
      'removed all instances',
    );
    const remaining = (current.metadata.finalizers ?? []).filter(
      (finalizer) => finalizer !== cleanupFinalizer,
    );
    const metadata = { ...current.metadata, finalizers: remaining };
    // With the status, since the rest may be what today's rules refuse.
    await this.#writeStatus({ ...current, metadata });
  }

  /** Once, however often it is requested: each change of the definition triggers it. */
  #enqueueWhenEmpty(name: string, cache: ResourceCache): void {
    if (this.#awaited.has(name)) return;
    this.#awaited.add(name);
    const stop = cache.listen(() => {
      if (cache.size > 0) return;
      stop();
      this.#awaited.delete(name);
      this.#enqueue(name);
    });
  }

  async #deleteInstances(definition: KindDefinition, cache: ResourceCache): Promise<void> {
    const { client, signal } = this.#options;
    const failures: unknown[] = [];
    const instances = [...cache.values()].filter((cached) => !cached.object.metadata.deletionTimestamp);
    for (let start = 0; start < instances.length && !signal.aborted; start += deletionsMax) {
      await Promise.all(
        instances.slice(start, start + deletionsMax).map(async ({ object }) => {
          try {
            await client.delete(definition.type, object.metadata);
          } catch (error) {
            if (!isNotFound(error)) failures.push(error);
          }
        }),
      );
    }
    // An instance that cannot be deleted does not hold back the others.
    if (failures.length > 0) throw failures[0];
  }

  /** For a definition that cannot be served: its objects cannot be reached, not even to remove their finalizers. */
  async #discardInstances(cache: ResourceCache): Promise<void> {
    const { store, view, signal } = this.#options;
    for (const { key, revision } of [...cache.values()]) {
      if (signal.aborted) return;
      const result = await store.delete(cache.prefix + key, revision);
      if (!result.ok) continue;
      view.written(result.revision);
      await view.reached(result.revision);
    }
  }

  async #setTerminating(
    definition: CustomResourceDefinition,
    status: 'True' | 'False',
    reason: string,
    message: string,
  ): Promise<CustomResourceDefinition> {
    const now = formatTime(this.#options.clock.now());
    const condition = { type: 'Terminating', status, reason, message };
    const conditions = mergeConditions(definition.status?.conditions ?? [], [condition], now);
    if (isDeepStrictEqual(conditions, definition.status?.conditions)) return definition;
    const previous = definition.status ?? { storedVersions: [] };
    return await this.#writeStatus({ ...definition, status: { ...previous, conditions } });
  }

  #writeStatus(definition: CustomResourceDefinition): Promise<CustomResourceDefinition> {
    return this.#options.client.update(CustomResourceDefinition, definition, { subresource: 'status' });
  }

  #namesInUse(definition: CustomResourceDefinition): NamesInUse {
    const resources = new Set<string>();
    const kinds = new Set<string>();
    const own = this.#served.get(definition.metadata.name)?.definition;
    for (const other of this.#options.kinds.definitions()) {
      if (other === own || other.type.group !== definition.spec.group) continue;
      for (const word of [other.type.plural, other.singular, ...other.shortNames]) resources.add(word);
      kinds.add(other.type.kind);
      kinds.add(`${other.type.kind}List`);
    }
    return { resources, kinds };
  }
}

/** Every version in which instances may be stored: none is removed before a migration. */
function withStorageVersion({ spec, status }: CustomResourceDefinition): string[] {
  const stored = spec.versions.filter((version) => version.storage).map((version) => version.name);
  return [...new Set([...(status?.storedVersions ?? []), ...stored])];
}
