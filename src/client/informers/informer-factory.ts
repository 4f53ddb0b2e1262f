/** Informers over list and watch, one per resource and filter, shared by all their users. */

import { type KubeObject, keyOf, type ResourceType } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../client.ts';
import type { Informer, InformerFactory, InformerHandlers } from './informer.ts';
import { type IndexFunction, ObjectCache } from './object-cache.ts';
import { type ReflectorSink, runReflector } from './reflector.ts';

export interface InformerFactoryOptions {
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Stops every informer. */
  signal: AbortSignal;
  /**
   * Runs on every object before it is kept, e.g. {@link dropManagedFields}. Over the local transport leave it out:
   * there objects are shared with the server, and a changed copy costs more than it saves.
   */
  transform?(object: KubeObject): KubeObject;
}

/** An informer starts when it is first asked for. */
export function createInformerFactory(client: Client, options: InformerFactoryOptions): InformerFactory {
  const informers = new Map<string, CachingInformer<KubeObject>>();
  return {
    of<T extends KubeObject>(type: ResourceType<T>, filter = {}) {
      const key = JSON.stringify([type.group, type.version, type.plural, filter]);
      let informer = informers.get(key);
      if (!informer) {
        informer = new CachingInformer<KubeObject>(type, options);
        informers.set(key, informer);
        void runReflector<KubeObject>({ client, type, filter, ...options }, informer);
      }
      // The key names the type, so what lies under it is of that type.
      return informer as unknown as Informer<T>;
    },
    async synced() {
      await Promise.all([...informers.values()].map((informer) => informer.synced()));
    },
    until: (signal) =>
      createInformerFactory(client, { ...options, signal: AbortSignal.any([options.signal, signal]) }),
  };
}

/** Removes what components never read, to save memory. Only for objects that are not referenced elsewhere. */
export function dropManagedFields(object: KubeObject): KubeObject {
  delete object.metadata.managedFields;
  return object;
}

interface Waiter {
  revision: number;
  resolve(): void;
}

class CachingInformer<T extends KubeObject> implements Informer<T>, ReflectorSink<T> {
  readonly type: ResourceType<T>;
  readonly #cache = new ObjectCache<T>();
  readonly #handlers: InformerHandlers<T>[] = [];
  readonly #transform: (object: T) => T;
  readonly #logger: Logger;
  #waiters: Waiter[] = [];
  #resourceVersion = '';
  #synced = Promise.withResolvers<void>();
  hasSynced = false;

  constructor(type: ResourceType<T>, options: InformerFactoryOptions) {
    this.type = type;
    this.#logger = options.logger;
    this.#transform = (options.transform as ((object: KubeObject) => T) | undefined) ?? ((object) => object);
    const { signal } = options;
    const stop = () => this.#synced.reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    // There may be no caller left to wait for it.
    this.#synced.promise.catch(() => undefined);
  }

  get(key: string): T | undefined {
    return this.#cache.get(key);
  }
  list(): Iterable<T> {
    return this.#cache.values();
  }
  inNamespace(namespace: string): Iterable<T> {
    return this.#cache.inNamespace(namespace);
  }
  byIndex(index: string, value: string): Iterable<T> {
    return this.#cache.byIndex(index, value);
  }
  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    this.#cache.addIndex(name, valuesOf);
  }
  synced(): Promise<void> {
    return this.#synced.promise;
  }
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  handle(handlers: InformerHandlers<T>): void {
    this.#handlers.push(handlers);
    if (handlers.added) for (const object of this.#cache.values()) this.#call(() => handlers.added?.(object));
  }

  includes(resourceVersion: string): Promise<void> {
    const revision = Number(resourceVersion);
    // Versions that are no numbers (of an aggregated API) cannot be compared; nothing is worth waiting for then.
    if (Number.isNaN(revision) || Number(this.#resourceVersion) >= revision) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ revision, resolve }));
  }

  replace(items: readonly T[], resourceVersion: string): void {
    const gone = new Set(this.#cache.keys());
    for (const item of items) {
      const key = keyOf(item);
      gone.delete(key);
      const known = this.#cache.get(key);
      if (known?.metadata.resourceVersion !== item.metadata.resourceVersion) this.#put(item);
    }
    for (const key of gone) this.#remove(key);
    this.#advance(resourceVersion);
    this.hasSynced = true;
    this.#synced.resolve();
  }

  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    if (type === 'DELETED') this.#remove(keyOf(object), this.#transform(object));
    else this.#put(object);
    this.#advance(object.metadata.resourceVersion);
  }

  progressed(resourceVersion: string): void {
    this.#advance(resourceVersion);
  }

  #put(received: T): void {
    const object = this.#transform(received);
    const key = keyOf(object);
    // Another object of the same name: its deletion went unseen.
    if ((this.#cache.get(key)?.metadata.uid ?? object.metadata.uid) !== object.metadata.uid)
      this.#remove(key);
    const old = this.#cache.put(object, key);
    for (const handlers of this.#handlers)
      this.#call(() => (old ? handlers.updated?.(object, old) : handlers.added?.(object)));
  }

  #remove(key: string, last?: T): void {
    const old = this.#cache.delete(key);
    if (!old) return;
    for (const handlers of this.#handlers) this.#call(() => handlers.deleted?.(last ?? old));
  }

  #advance(resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
    if (this.#waiters.length === 0) return;
    const revision = Number(resourceVersion);
    const [ready, waiting] = [[] as Waiter[], [] as Waiter[]];
    for (const waiter of this.#waiters) (waiter.revision <= revision ? ready : waiting).push(waiter);
    this.#waiters = waiting;
    for (const waiter of ready) waiter.resolve();
  }

  /** One handler's mistake must not keep the others, or the cache, from going on. */
  #call(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#logger.error('an informer handler failed', { resource: this.type.plural, error });
    }
  }
}
