/** A reconcile's own writes. The caches must show them before the next one, which would otherwise make them again. */
import { type Draft, type KubeObject, keyOf, type ResourceType } from '../../api/meta.ts';
import type { Client, ObjectName } from '../client.ts';
import type { Informer } from '../informers/informer.ts';
import { type FailedWrite, presentState, tellsOfStaleCache } from './failed-write.ts';
import type { ReadableCaches } from './readable-caches.ts';

export class OwnWrites {
  readonly #client: Client;
  readonly #caches: ReadableCaches;
  /** The newest version written per resource that the caches must include. */
  readonly #written = new Map<Informer<KubeObject>, string>();
  /** Objects deleted, by uid, until a cache shows them deleted. */
  readonly #deleted = new Map<string, CachePlace>();
  /** Objects that others have deleted, by uid, until a cache no longer shows them. */
  readonly #gone = new Map<string, CachePlace>();
  /** Writes of which it is not known yet what the caches must show; those that one question answers stand once. */
  readonly #failed = new Map<string, FailedWrite>();

  constructor(client: Client, caches: ReadableCaches) {
    this.#client = client;
    this.#caches = caches;
  }

  written(type: ResourceType, version: string): void {
    const informer = this.#caches.of(type);
    if (informer && Number(this.#written.get(informer) ?? 0) < Number(version))
      this.#written.set(informer, version);
  }

  deleted(type: ResourceType, metadata: ObjectName & { uid: string }): void {
    const informer = this.#caches.following(type);
    if (informer) this.#deleted.set(metadata.uid, { informer, key: keyOf({ metadata }) });
  }

  failed(error: unknown, type: ResourceType, { namespace, name, uid }: Draft<KubeObject>['metadata']): void {
    if (!tellsOfStaleCache(error, type) || !this.#caches.of(type)) return;
    const question = JSON.stringify([type.group, type.plural, namespace, name, uid]);
    this.#failed.set(question, { type, namespace, name, uid });
  }

  get areShown(): boolean {
    return this.#written.size + this.#deleted.size + this.#gone.size + this.#failed.size === 0;
  }

  /**
   * Whether the caches lag behind: a promise that resolves when they include the writes, `deletion` when a deletion is
   * not yet seen (its event comes by itself), `gone` when they show what is gone (no event need lead back), undefined
   * when all is well.
   */
  lag(): Promise<unknown> | 'deletion' | 'gone' | undefined {
    if (this.#failed.size > 0) return this.#lookUpFailed();
    const lagging: Promise<void>[] = [];
    for (const [informer, version] of this.#written) {
      if (Number(informer.resourceVersion) >= Number(version)) this.#written.delete(informer);
      else lagging.push(informer.includes(version));
    }
    if (lagging.length > 0) return Promise.all(lagging);
    for (const [uid, place] of this.#gone) if (!cachedAt(place, uid)) this.#gone.delete(uid);
    if (this.#gone.size > 0) return 'gone';
    for (const [uid, place] of this.#deleted) {
      const cached = cachedAt(place, uid);
      if (!cached || cached.metadata.deletionTimestamp !== undefined) this.#deleted.delete(uid);
    }
    return this.#deleted.size > 0 ? 'deletion' : undefined;
  }

  /** From then on the caches can be waited for. */
  async #lookUpFailed(): Promise<void> {
    for (const [question, write] of this.#failed) {
      const state = await presentState(write, this.#client);
      this.#failed.delete(question);
      if (state === 'nothing') continue;
      if ('version' in state) this.written(write.type, state.version);
      else
        this.#gone.set(state.gone.uid, {
          informer: this.#caches.of(write.type)!,
          key: keyOf({ metadata: state.gone }),
        });
    }
  }
}

interface CachePlace {
  informer: Informer<KubeObject>;
  key: string;
}

/** Not another object that took the name. */
function cachedAt({ informer, key }: CachePlace, uid: string): KubeObject | undefined {
  const cached = informer.get(key);
  return cached?.metadata.uid === uid ? cached : undefined;
}
