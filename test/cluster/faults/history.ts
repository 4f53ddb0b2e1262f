/** Every state that some kinds of objects were in, in the order of the store: promises about all moments are held against it. */
import type { KubeObject, ResourceType } from '../../../src/api/meta.ts';
import type { Clock } from '../../../src/base/clock.ts';
import type { Client } from '../../../src/client/client.ts';

export interface Change<T extends KubeObject = KubeObject> {
  kind: string;
  /** The new state; of an object that is gone, the last one. */
  object: T;
  /** Undefined: the object is new. */
  before: T | undefined;
  isGone: boolean;
  /** When it was, on the run's clock. */
  atMs: number;
}

/** The objects that exist after a change. */
export interface World {
  all<T extends KubeObject>(type: ResourceType<T>): T[];
  byUid<T extends KubeObject>(type: ResourceType<T>, uid: string | undefined): T | undefined;
}

/** What is wrong with a change, or the state that it leads to. Called with every change, one after another. */
export type Rule = (change: Change, world: World) => readonly string[];

/** The change as one of objects of `type`; undefined when it is about another kind. */
export function changeOf<T extends KubeObject>(
  change: Change,
  { kind }: ResourceType<T>,
): Change<T> | undefined {
  return change.kind === kind ? (change as Change<T>) : undefined;
}

const storyLength = 60;

export class History {
  readonly #clock: Clock;
  readonly #events: Noted[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes what happens from now on, until the signal aborts. */
  async follow(client: Client, types: readonly ResourceType[], signal: AbortSignal): Promise<void> {
    for (const type of types) {
      const { metadata, items } = await client.list(type);
      for (const object of items) this.#note(type, 'ADDED', object);
      void this.#watch(client, type, metadata.resourceVersion ?? '', signal);
    }
  }

  async #watch(client: Client, type: ResourceType, since: string, signal: AbortSignal): Promise<void> {
    let resourceVersion = since;
    // The server ends a watch that has lasted for long.
    while (!signal.aborted)
      for await (const { type: event, object } of client.watch(type, { resourceVersion }, signal)) {
        resourceVersion = object.metadata.resourceVersion;
        if (event !== 'BOOKMARK') this.#note(type, event, object);
      }
  }

  #note({ kind }: ResourceType, type: Noted['type'], object: KubeObject): void {
    this.#events.push({ kind, type, object, atMs: this.#clock.now() });
  }

  /** Whether an object of the kind was ever in such a state. */
  has<T extends KubeObject>({ kind }: ResourceType<T>, isSuch: (object: T) => boolean): boolean {
    return this.#events.some((noted) => noted.kind === kind && isSuch(noted.object as T));
  }

  /** The first thing that breaks the rule, and what led to it; empty when nothing does. */
  check(rule: Rule): string[] {
    const revisionOf = ({ object }: Noted) => Number(object.metadata.resourceVersion);
    const ordered = [...this.#events].sort((a, b) => revisionOf(a) - revisionOf(b));
    const world = new Replay();
    for (const [index, noted] of ordered.entries()) {
      const change = world.apply(noted);
      const [wrong] = rule(change, world);
      if (wrong !== undefined)
        return [wrong, ...ordered.slice(Math.max(0, index - storyLength), index + 1).map(toldIn)];
    }
    return [];
  }
}

interface Noted {
  kind: string;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubeObject;
  atMs: number;
}

function toldIn({ kind, type, object: { metadata } }: Noted): string {
  const leaving = metadata.deletionTimestamp ? ' leaving' : '';
  return `${metadata.resourceVersion} ${type} ${kind} ${metadata.name} ${metadata.uid.slice(0, 4)}${leaving}`;
}

class Replay implements World {
  readonly #objects = new Map<string, Map<string, KubeObject>>();

  apply({ kind, type, object, atMs }: Noted): Change {
    const ofKind = this.#objects.get(kind) ?? new Map<string, KubeObject>();
    this.#objects.set(kind, ofKind);
    const { uid } = object.metadata;
    const before = ofKind.get(uid);
    const isGone = type === 'DELETED';
    if (isGone) ofKind.delete(uid);
    else ofKind.set(uid, object);
    return { kind, object, before, isGone, atMs };
  }

  all<T extends KubeObject>({ kind }: ResourceType<T>): T[] {
    return [...(this.#objects.get(kind)?.values() ?? [])] as T[];
  }

  byUid<T extends KubeObject>({ kind }: ResourceType<T>, uid: string | undefined): T | undefined {
    return this.#objects.get(kind)?.get(uid ?? '') as T | undefined;
  }
}
