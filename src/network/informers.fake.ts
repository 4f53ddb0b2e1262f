/** Informers without a server, for tests: an object that is put is there at once. */
import type { Draft, KubeObject, ResourceType } from '../api/meta.ts';
import type { Informer, InformerFactory, InformerHandlers } from '../client/informers/informer.ts';
import { ObjectCache } from '../client/informers/object-cache.ts';

export interface FakeInformers extends InformerFactory {
  /** Adds or replaces; fills in name, namespace and resourceVersion. */
  put<T extends KubeObject>(type: ResourceType<T>, object: Draft<T>): T;
  remove<T extends KubeObject>(type: ResourceType<T>, key: string): void;
  /** Field selectors of what is followed for a while, at the moment. */
  readonly followed: ReadonlySet<string>;
}

export function createFakeInformers(): FakeInformers {
  const informers = new Map<string, FakeInformer<KubeObject>>();
  const followed = new Set<string>();
  let revision = 0;
  /** Filters are up to the test: one informer holds all objects of a resource. */
  const of = <T extends KubeObject>(type: ResourceType<T>): FakeInformer<T> => {
    let informer = informers.get(type.plural);
    if (!informer) {
      informer = new FakeInformer<KubeObject>(type);
      informers.set(type.plural, informer);
    }
    // Objects under a type's plural are of that type.
    return informer as unknown as FakeInformer<T>;
  };
  const self: FakeInformers = {
    of,
    synced: () => Promise.resolve(),
    followed,
    until: (signal) => ({
      ...self,
      of(type, filter) {
        const selector = filter?.fieldSelector ?? '';
        followed.add(selector);
        signal.addEventListener('abort', () => followed.delete(selector), { once: true });
        return of(type);
      },
    }),
    put(type, draft) {
      const metadata = { namespace: type.namespaced ? 'default' : undefined, ...draft.metadata };
      const object = {
        ...draft,
        metadata: { ...metadata, resourceVersion: String(++revision) },
      } as InstanceOf<typeof type>;
      of(type).put(object);
      return object;
    },
    remove: (type, key) => of(type).remove(key),
  };
  return self;
}

type InstanceOf<R> = R extends ResourceType<infer T> ? T : never;

class FakeInformer<T extends KubeObject> implements Informer<T> {
  readonly type: ResourceType<T>;
  readonly hasSynced = true;
  readonly resourceVersion = '';
  readonly #cache = new ObjectCache<T>();
  readonly #handlers: InformerHandlers<T>[] = [];

  constructor(type: ResourceType<T>) {
    this.type = type;
  }

  get = (key: string) => this.#cache.get(key);
  list = () => this.#cache.values();
  inNamespace = (namespace: string) => this.#cache.inNamespace(namespace);
  byIndex = (index: string, value: string) => this.#cache.byIndex(index, value);
  addIndex = (name: string, valuesOf: (object: T) => readonly string[]) =>
    this.#cache.addIndex(name, valuesOf);
  synced = () => Promise.resolve();
  includes = () => Promise.resolve();

  handle(handlers: InformerHandlers<T>): void {
    this.#handlers.push(handlers);
    for (const object of this.#cache.values()) handlers.added?.(object);
  }

  put(object: T): void {
    const old = this.#cache.put(object);
    for (const handlers of this.#handlers) {
      if (old) handlers.updated?.(object, old);
      else handlers.added?.(object);
    }
  }

  remove(key: string): void {
    const old = this.#cache.delete(key);
    if (old) for (const handlers of this.#handlers) handlers.deleted?.(old);
  }
}
