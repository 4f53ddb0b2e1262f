/**
 * ConfigMaps and Secrets that pods of this node use: each is read when first needed and watched one by one while a pod
 * uses it, so that the node never sees others and changes arrive at once.
 */
import type { KubeObject, ResourceType } from '../api/meta.ts';
import { StatusError, undefinedIfNotFound } from '../api/status.ts';
import { backoffDelayMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Client, ObjectName } from '../client/client.ts';

interface Held<T extends KubeObject = KubeObject> {
  type: ResourceType<T>;
  at: ObjectName;
  /** Pod uids. */
  users: Set<string>;
  stop: AbortController;
  current: T | undefined;
  first: Promise<void>;
  /** The server has answered, if only that the object does not exist; the answer holds until the next event. */
  isKnown: boolean;
}

const retry = { firstMs: 200, maxMs: 10_000 };

export class ObjectSource {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #changed: (podUid: string) => void;
  readonly #held = new Map<string, Held>();

  /** `changed`: called for every pod that uses an object that was added, changed or deleted. */
  constructor(options: {
    client: Client;
    clock: Clock;
    signal: AbortSignal;
    changed: (podUid: string) => void;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#signal = options.signal;
    this.#changed = options.changed;
  }

  /** Undefined when it is not there. */
  async get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName): Promise<T | undefined> {
    const held = this.#held.get(keyFor(type, at)) as Held<T> | undefined;
    if (held) {
      await held.first;
      // As upstream: also while the server does not answer. Containers restart with what the pod has.
      if (held.isKnown) return held.current;
    }
    return this.#client.get(type, at, this.#signal).catch(undefinedIfNotFound);
  }

  /** Says which objects a pod uses from now on; what nobody uses is no longer watched. */
  use(podUid: string, wanted: readonly { type: ResourceType; at: ObjectName }[]): void {
    const keys = new Set<string>();
    for (const { type, at } of wanted) {
      const key = keyFor(type, at);
      keys.add(key);
      const held = this.#held.get(key) ?? this.#hold(key, type, at);
      held.users.add(podUid);
    }
    for (const [key, held] of this.#held) if (!keys.has(key)) this.#drop(key, held, podUid);
  }

  /** Also this one, until the next {@link ObjectSource.use}. */
  useAlso(podUid: string, type: ResourceType, at: ObjectName): void {
    const key = keyFor(type, at);
    (this.#held.get(key) ?? this.#hold(key, type, at)).users.add(podUid);
  }

  #drop(key: string, held: Held, podUid: string): void {
    held.users.delete(podUid);
    if (held.users.size > 0) return;
    held.stop.abort();
    this.#held.delete(key);
  }

  #hold(key: string, type: ResourceType, at: ObjectName): Held {
    const stop = new AbortController();
    const first = Promise.withResolvers<void>();
    const held: Held = {
      type,
      at,
      users: new Set(),
      stop,
      current: undefined,
      first: first.promise,
      isKnown: false,
    };
    this.#held.set(key, held);
    void this.#follow(held, AbortSignal.any([stop.signal, this.#signal]), first.resolve);
    return held;
  }

  /** `known`: called when the server has answered or cannot be asked, and in any case when nothing more is to come. */
  async #follow(held: Held, signal: AbortSignal, known: () => void): Promise<void> {
    signal.addEventListener('abort', known, { once: true });
    for (let attempt = 0; !signal.aborted; ) {
      try {
        const list = await this.#client.list(
          held.type,
          { namespace: held.at.namespace ?? '', fieldSelector: `metadata.name=${held.at.name}` },
          signal,
        );
        this.#replace(held, list.items[0]);
        held.isKnown = true;
        known();
        attempt = 0;
        if ((held.current as { immutable?: boolean } | undefined)?.immutable) return;
        await this.#watch(held, list.metadata.resourceVersion, signal);
      } catch (error) {
        if (signal.aborted) return;
        const isDenied = error instanceof StatusError && (error.code === 403 || error.code === 404);
        known();
        const delayMs = backoffDelayMs(retry, isDenied ? attempt + 3 : attempt);
        const isBack = await this.#client.reachability.pause(this.#clock, delayMs, signal);
        attempt = isBack ? 0 : Math.min(attempt + 1, 10);
      }
    }
  }

  async #watch(held: Held, resourceVersion: string | undefined, signal: AbortSignal): Promise<void> {
    const query = {
      namespace: held.at.namespace ?? '',
      fieldSelector: `metadata.name=${held.at.name}`,
      ...(resourceVersion && { resourceVersion }),
    };
    for await (const event of this.#client.watch(held.type, query, signal)) {
      if (event.type === 'BOOKMARK') continue;
      this.#replace(held, event.type === 'DELETED' ? undefined : event.object);
    }
  }

  #replace(held: Held, object: KubeObject | undefined): void {
    const before = held.current?.metadata.resourceVersion;
    held.current = object;
    if (object?.metadata.resourceVersion === before) return;
    for (const uid of held.users) this.#changed(uid);
  }
}

function keyFor(type: ResourceType, at: ObjectName): string {
  return `${type.plural}/${at.namespace}/${at.name}`;
}
