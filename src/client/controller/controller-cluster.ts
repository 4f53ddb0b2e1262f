/** What a reconcile sees of the cluster, and how it changes it. */

import { isDeepStrictEqual } from 'node:util';
import { controllerOf, type Draft, type KubeObject, type ResourceType } from '../../api/meta.ts';
import { isNotFound } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import type { Client, DeleteOptions, PatchOptions } from '../client.ts';
import type { EventRecorder, EventTarget, EventType } from '../events/event-recorder.ts';
import type { Informer, InformerFactory } from '../informers/informer.ts';
import { OwnWrites } from './own-writes.ts';
import { OwnerCheck } from './owner-check.ts';
import type { ReadableCaches } from './readable-caches.ts';

/** What controllers are run with. */
export interface ControllerEnvironment {
  client: Client;
  informers: InformerFactory;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics?: MetricsRegistry;
  recorder: EventRecorder;
}

/** Index of owned objects by their controller's uid; objects without a controller under `orphan:<namespace>`. */
export const controllerIndex = 'controller';
export function controllerIndexValues(object: KubeObject): readonly string[] {
  const controller = controllerOf(object);
  return [controller ? controller.uid : `orphan:${object.metadata.namespace ?? ''}`];
}

export class ReconcileCluster {
  readonly #environment: ControllerEnvironment;
  readonly #reconciles: ResourceType;
  readonly #caches: ReadableCaches;
  readonly ownWrites: OwnWrites;
  #owners: OwnerCheck;

  /** `reconciles`: the kind that is reconciled, which owns others. */
  constructor(environment: ControllerEnvironment, reconciles: ResourceType, caches: ReadableCaches) {
    this.#environment = environment;
    this.#reconciles = reconciles;
    this.#caches = caches;
    this.ownWrites = new OwnWrites(environment.client, caches);
    this.#owners = this.#newOwnerCheck();
  }

  /** Called before each reconcile: what the server said about owners during the previous one no longer counts. */
  begin(): void {
    this.#owners = this.#newOwnerCheck();
  }

  #newOwnerCheck(): OwnerCheck {
    return new OwnerCheck(this.client, this.#reconciles);
  }

  get client(): Client {
    return this.#environment.client;
  }
  get clock(): Clock {
    return this.#environment.clock;
  }
  get random(): Random {
    return this.#environment.random;
  }
  get metrics(): MetricsRegistry | undefined {
    return this.#environment.metrics;
  }
  get logger() {
    return this.#environment.logger;
  }

  /** From the cache; undefined when it is not there. */
  get<T extends KubeObject>(type: ResourceType<T>, key: string): T | undefined {
    return this.informer(type).get(key);
  }

  /** The informer of a kind that the controller named. */
  informer<T extends KubeObject>(type: ResourceType<T>): Informer<T> {
    const informer = this.#caches.of(type);
    if (!informer) throw new Error(`the controller does not say that it reads ${type.plural}`);
    return informer as Informer<T>;
  }

  /** Objects of an owned kind whose controller is `owner`. */
  ownedBy<T extends KubeObject>(type: ResourceType<T>, owner: KubeObject): T[] {
    return [...this.informer(type).byIndex(controllerIndex, owner.metadata.uid)];
  }

  /** Objects of an owned kind in the namespace that have no controller. */
  orphansIn<T extends KubeObject>(type: ResourceType<T>, namespace: string | undefined): T[] {
    return [...this.informer(type).byIndex(controllerIndex, `orphan:${namespace ?? ''}`)];
  }

  /**
   * False when the reconciled object is gone or terminating, or another has its name. A cache may not show that yet,
   * and what is created for or adopted by a deleted owner would be garbage-collected and created again.
   */
  stays(object: KubeObject, signal: AbortSignal): Promise<boolean> {
    return this.#owners.stays(object.metadata, signal);
  }

  /** @throws OwnerGone where the new object would belong to a reconciled one that does not {@link stays stay}. */
  async create<T extends KubeObject>(
    type: ResourceType<T>,
    object: Draft<T>,
    signal: AbortSignal,
  ): Promise<T> {
    if (this.#caches.following(type)) await this.#owners.assertOwnerStays(object, signal);
    return this.#write(type, object.metadata, this.client.create(type, object, { signal }));
  }

  async update<T extends KubeObject>(type: ResourceType<T>, object: T, signal: AbortSignal): Promise<T> {
    return this.#write(type, object.metadata, this.client.update(type, object, { signal }));
  }

  async patch<T extends KubeObject>(
    type: ResourceType<T>,
    object: KubeObject,
    patch: unknown,
    options: PatchOptions & { signal: AbortSignal },
  ): Promise<T> {
    return this.#write(type, object.metadata, this.client.patch(type, object.metadata, patch, options));
  }

  /** Writes the status when it differs from the object's; returns the object as written. */
  async updateStatus<T extends KubeObject & { status?: unknown }>(
    type: ResourceType<T>,
    object: T,
    status: NonNullable<T['status']>,
    signal: AbortSignal,
  ): Promise<T> {
    if (isSameStatus(object.status ?? {}, status)) return object;
    return this.writeStatus(type, { ...object, status }, signal);
  }

  /** Writes the object through its status subresource, even when nothing has changed. */
  async writeStatus<T extends KubeObject>(type: ResourceType<T>, object: T, signal: AbortSignal): Promise<T> {
    const written = this.client.update(type, object, { subresource: 'status', signal });
    return this.#write(type, object.metadata, written);
  }

  /** Deletes exactly this object (by uid); a missing one is no error. Returns whether it existed. */
  async delete<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal: AbortSignal,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    const { uid } = object.metadata;
    try {
      await this.client.delete(type, object.metadata, { preconditions: { uid }, ...options, signal });
    } catch (error) {
      if (isNotFound(error)) return false;
      this.ownWrites.failed(error, type, object.metadata);
      throw error;
    }
    this.ownWrites.deleted(type, object.metadata);
    return true;
  }

  event(about: EventTarget, type: EventType, reason: string, message: string): void {
    this.#environment.recorder.event(about, type, reason, message);
  }

  async #write<T extends KubeObject>(
    type: ResourceType<T>,
    to: Draft<KubeObject>['metadata'],
    request: Promise<T>,
  ): Promise<T> {
    try {
      const answer = await request;
      this.ownWrites.written(type, answer.metadata.resourceVersion);
      return answer;
    } catch (error) {
      this.ownWrites.failed(error, type, to);
      throw error;
    }
  }
}

/** Equal but for empty values (0, '', false, [], {}) that are spelled out on one side only: the server drops most. */
function isSameStatus(a: object, b: object): boolean {
  return isDeepStrictEqual(withoutEmpty(a), withoutEmpty(b));
}

function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(withoutEmpty);
  if (typeof value !== 'object') return value || undefined;
  if (value === null) return undefined;
  const kept: Record<string, unknown> = {};
  let isEmpty = true;
  for (const [key, item] of Object.entries(value)) {
    const rest = withoutEmpty(item);
    if (rest === undefined) continue;
    kept[key] = rest;
    isEmpty = false;
  }
  return isEmpty ? undefined : kept;
}
