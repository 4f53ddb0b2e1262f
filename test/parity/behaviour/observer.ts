/** Watches a scenario's namespace and keeps every state of every object that a watch shows. */
import type { KubeObject, ResourceType } from '../../../src/api/meta.ts';
import type { Event } from '../../../src/api/resources.gen.ts';
import type { Client } from '../../../src/client/client.ts';
import { resourceOf } from './resources.ts';
import type { Condition } from './scenario.ts';

/** One object from its first state to its last. */
export interface Life {
  resource: string;
  states: KubeObject[];
  isGone: boolean;
}

export class Observer {
  /** By uid, in order of appearance. */
  readonly lives = new Map<string, Life>();
  readonly #client: Client;
  readonly #namespace: string;
  readonly #signal: AbortSignal;
  readonly #watched = new Set<string>();

  constructor(client: Client, namespace: string, signal: AbortSignal) {
    this.#client = client;
    this.#namespace = namespace;
    this.#signal = signal;
  }

  /** Resolves when the first list is in. */
  async watch(resource: string): Promise<void> {
    if (this.#watched.has(resource)) return;
    this.#watched.add(resource);
    const type = resourceOf(resource);
    const isOwn = resource === 'namespaces';
    const scope = type.namespaced
      ? { namespace: this.#namespace }
      : isOwn
        ? { fieldSelector: `metadata.name=${this.#namespace}` }
        : {};
    const list = await this.#client.list(type, scope, this.#signal);
    for (const item of list.items) this.#see(resource, 'ADDED', item);
    const query = { ...scope, resourceVersion: list.metadata.resourceVersion };
    void this.#follow(resource, type, query);
  }

  async #follow(resource: string, type: ResourceType, query: object): Promise<void> {
    try {
      for await (const event of this.#client.watch(type, query, this.#signal))
        if (event.type !== 'BOOKMARK') this.#see(resource, event.type, event.object);
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    }
  }

  #see(resource: string, type: string, object: KubeObject): void {
    const life = this.lives.get(object.metadata.uid) ?? { resource, states: [], isGone: false };
    this.lives.set(object.metadata.uid, life);
    life.states.push(object);
    if (type === 'DELETED') life.isGone = true;
  }

  /** The newest object of that name; undefined when it is gone or never was. */
  live(reference: string): KubeObject | undefined {
    const [resource, name] = reference.split('/');
    for (const life of [...this.lives.values()].reverse()) {
      const last = life.states.at(-1)!;
      if (life.resource === resource && last.metadata.name === name && !life.isGone) return last;
    }
    return undefined;
  }

  liveOf(resource: string): KubeObject[] {
    return [...this.lives.values()]
      .filter((life) => life.resource === resource && !life.isGone)
      .map((life) => life.states.at(-1)!);
  }

  /** The status of each object, and how each event ends, for those who look for what went wrong. */
  last(): object[] {
    return [...this.lives.values()].map(({ states, isGone }) => {
      const { kind, metadata, status, message } = states.at(-1) as KubeObject & {
        status?: object;
        message?: string;
      };
      return { kind, name: metadata.name, states: states.length, isGone, status, message };
    });
  }

  events(): Event[] {
    return this.liveOf('events') as Event[];
  }

  holds(condition: Condition | readonly Condition[] | undefined): boolean {
    if (condition === undefined) return true;
    if (Array.isArray(condition)) return condition.every((one) => this.holds(one));
    return this.#holdsOne(condition as Condition);
  }

  #holdsOne(condition: Condition): boolean {
    if (condition.event !== undefined) return this.#sawEvent(condition);
    if (condition.count !== undefined)
      return (
        this.liveOf(condition.count).filter((object) => matches(object, condition)).length === condition.n
      );
    const reference = condition.on!;
    if (condition.gone) {
      const [resource, name] = reference.split('/');
      const named = [...this.lives.values()].filter(
        (life) => life.resource === resource && life.states[0]!.metadata.name === name,
      );
      return named.length > 0 && named.every((life) => life.isGone);
    }
    const object = this.live(reference);
    return object !== undefined && matches(object, condition);
  }

  #sawEvent({ event, on, text, times }: Condition): boolean {
    const found = this.events().filter((one) => {
      if (one.reason !== event) return false;
      if (on && `${one.involvedObject.kind}/${one.involvedObject.name}` !== on) return false;
      return text === undefined || (one.message ?? '').includes(text);
    });
    const count = found.reduce((sum, one) => sum + (one.count ?? 1), 0);
    return count >= (times ?? 1);
  }
}

/** Resources that a condition asks about. */
export function resourcesOf(condition: Condition | readonly Condition[] | undefined): string[] {
  const list = condition === undefined ? [] : Array.isArray(condition) ? condition : [condition as Condition];
  return (list as Condition[]).flatMap(({ on, count, event }) =>
    event !== undefined ? [] : [on?.split('/')[0] ?? count ?? ''].filter((resource) => resource !== ''),
  );
}

function matches(object: KubeObject, { at, is, min, has, absent, condition, reason }: Condition): boolean {
  if (condition !== undefined) {
    const [type, status] = condition.split('=');
    const conditions = (
      object as { status?: { conditions?: { type: string; status: string; reason?: string }[] } }
    ).status?.conditions;
    const found = conditions?.find((one) => one.type === type);
    if (found?.status !== status || (reason !== undefined && found?.reason !== reason)) return false;
  }
  if (at === undefined) return true;
  const value = valueAt(object, at);
  if (absent) return value === undefined || value === null;
  if (is !== undefined) return JSON.stringify(value) === JSON.stringify(is);
  if (min !== undefined) return typeof value === 'number' && value >= min;
  if (has !== undefined)
    return Array.isArray(value) ? value.includes(has) : String(value ?? '').includes(String(has));
  return value !== undefined;
}

export function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split('.')) value = (value as Record<string, unknown> | undefined | null)?.[key];
  return value;
}
