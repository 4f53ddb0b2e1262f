/**
 * ConfigMaps, Secrets and trust bundles that pods of this node use: each is read when first needed and watched while a
 * pod uses it, so that the node never sees others, and changes arrive at once.
 */
import type { KubeObject, ResourceType } from '../api/meta.ts';
import { StatusError, undefinedIfNotFound } from '../api/status.ts';
import { backoffDelayMs } from '../base/async/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Client, ObjectName } from '../client/client.ts';

/** What a pod uses: one object by its name, or all that a field selector selects. */
export type ObjectUse = { type: ResourceType } & ({ at: ObjectName } | { fieldSelector: string });

interface Held<T extends KubeObject = KubeObject> {
  type: ResourceType<T>;
  query: { namespace?: string; fieldSelector: string };
  /** Pod uids. */
  users: Set<string>;
  stop: AbortController;
  /** By name. */
  current: ReadonlyMap<string, T>;
  first: Promise<void>;
  /** The server has answered, even if only that the object does not exist; the answer holds until the next event. */
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

  /** Undefined when it does not exist. */
  async get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName): Promise<T | undefined> {
    const known = await this.#known<T>({ type, at });
    return known ? known.get(at.name) : this.#client.get(type, at, this.#signal).catch(undefinedIfNotFound);
  }

  /** Of a kind without namespaces. */
  async select<T extends KubeObject>(type: ResourceType<T>, fieldSelector: string): Promise<readonly T[]> {
    const known = await this.#known<T>({ type, fieldSelector });
    return known
      ? [...known.values()]
      : (await this.#client.list(type, { fieldSelector }, this.#signal)).items;
  }

  /** Also while the server does not answer, as upstream: containers restart with what the pod has. */
  async #known<T extends KubeObject>(use: ObjectUse): Promise<ReadonlyMap<string, T> | undefined> {
    const held = this.#held.get(keyFor(use)) as Held<T> | undefined;
    await held?.first;
    return held?.isKnown ? held.current : undefined;
  }

  /** Sets the objects that a pod uses; objects without users are no longer watched. */
  use(podUid: string, wanted: readonly ObjectUse[]): void {
    const keys = new Set<string>();
    for (const use of wanted) {
      const key = keyFor(use);
      keys.add(key);
      const held = this.#held.get(key) ?? this.#hold(key, use);
      held.users.add(podUid);
    }
    for (const [key, held] of this.#held) if (!keys.has(key)) this.#drop(key, held, podUid);
  }

  #drop(key: string, held: Held, podUid: string): void {
    held.users.delete(podUid);
    if (held.users.size > 0) return;
    held.stop.abort();
    this.#held.delete(key);
  }

  #hold(key: string, use: ObjectUse): Held {
    const stop = new AbortController();
    const first = Promise.withResolvers<void>();
    const held: Held = {
      type: use.type,
      query: queryFor(use),
      users: new Set(),
      stop,
      current: new Map(),
      first: first.promise,
      isKnown: false,
    };
    this.#held.set(key, held);
    void this.#follow(held, AbortSignal.any([stop.signal, this.#signal]), first.resolve);
    return held;
  }

  /** `known`: called when the server has answered or cannot be asked, and in any case when nothing more will come. */
  async #follow(held: Held, signal: AbortSignal, known: () => void): Promise<void> {
    signal.addEventListener('abort', known, { once: true });
    // The event of a signal that aborted before does not come any more.
    if (signal.aborted) known();
    for (let attempt = 0; !signal.aborted; ) {
      try {
        const list = await this.#client.list(held.type, held.query, signal);
        this.#replace(held, new Map(list.items.map((object) => [object.metadata.name ?? '', object])));
        held.isKnown = true;
        known();
        attempt = 0;
        if (isSettled(held)) return;
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
    const query = { ...held.query, ...(resourceVersion && { resourceVersion }) };
    for await (const event of this.#client.watch(held.type, query, signal)) {
      if (event.type === 'BOOKMARK') continue;
      const now = new Map(held.current);
      if (event.type === 'DELETED') now.delete(event.object.metadata.name ?? '');
      else now.set(event.object.metadata.name ?? '', event.object);
      this.#replace(held, now);
    }
  }

  #replace(held: Held, now: ReadonlyMap<string, KubeObject>): void {
    const before = held.current;
    held.current = now;
    const isSame = ([name, { metadata }]: [string, KubeObject]) =>
      before.get(name)?.metadata.resourceVersion === metadata.resourceVersion;
    if (before.size === now.size && [...now].every(isSame)) return;
    for (const uid of held.users) this.#changed(uid);
  }
}

/** An immutable object that was requested by name never changes. */
function isSettled({ query, current }: Held): boolean {
  const [only] = current as ReadonlyMap<string, KubeObject & { immutable?: boolean }>;
  return only !== undefined && query.fieldSelector === nameSelector(only[0]) && only[1].immutable === true;
}

const nameSelector = (name: string) => `metadata.name=${name}`;

function queryFor(use: ObjectUse): Held['query'] {
  if ('fieldSelector' in use) return { fieldSelector: use.fieldSelector };
  return { namespace: use.at.namespace ?? '', fieldSelector: nameSelector(use.at.name) };
}

function keyFor(use: ObjectUse): string {
  const { namespace = '', fieldSelector } = queryFor(use);
  return `${use.type.plural}/${namespace}/${fieldSelector}`;
}
