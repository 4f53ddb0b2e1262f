/** A server that is a map: enough of client and informers to run the scheduler against in tests. */

import { type KubeObject, keyOf, type ObjectMeta, type ResourceType } from '../api/meta.ts';
import { Node, Pod } from '../api/resources.gen.ts';
import { asKubeObject } from '../api/schema/decode.ts';
import { notFound } from '../api/status.ts';
import { silentLogger } from '../base/logger.ts';
import { MetricsRegistry } from '../base/metrics.ts';
import { seededRandom } from '../base/random.ts';
import { sparse } from '../base/sparse.fixture.ts';
import { VirtualClock } from '../base/virtual-clock.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events/event-recorder.ts';
import type { Informer, InformerFactory, InformerHandlers } from '../client/informers/informer.ts';
import type { SchedulerConfiguration } from './configuration.ts';
import { startScheduler } from './scheduler.ts';

class FakeInformer {
  readonly objects = new Map<string, KubeObject>();
  readonly handlers: InformerHandlers<KubeObject>[] = [];
  readonly hasSynced = true;
  readonly indexes = new Map<string, (object: KubeObject) => readonly string[]>();
  readonly type: ResourceType;

  constructor(type: ResourceType) {
    this.type = type;
  }
  get(key: string) {
    return this.objects.get(key);
  }
  list() {
    return this.objects.values();
  }
  *inNamespace(namespace: string) {
    for (const object of this.objects.values()) if (object.metadata.namespace === namespace) yield object;
  }
  addIndex(name: string, valuesOf: (object: KubeObject) => readonly string[]) {
    this.indexes.set(name, valuesOf);
  }
  *byIndex(index: string, value: string) {
    for (const object of this.objects.values())
      if (this.indexes.get(index)?.(object).includes(value)) yield object;
  }
  handle(handlers: InformerHandlers<KubeObject>) {
    this.handlers.push(handlers);
    for (const object of this.objects.values()) handlers.added?.(object);
  }
  synced() {
    return Promise.resolve();
  }
  put(object: KubeObject) {
    const old = this.objects.get(keyOf(object));
    this.objects.set(keyOf(object), object);
    for (const handlers of this.handlers)
      if (old) handlers.updated?.(object, old);
      else handlers.added?.(object);
  }
  remove(key: string) {
    const old = this.objects.get(key);
    if (!old) return;
    this.objects.delete(key);
    for (const handlers of this.handlers) handlers.deleted?.(old);
  }
}

export interface RecordedEvent {
  component: string;
  object: string;
  reason: string;
  message: string;
}

export class FakeCluster {
  readonly metrics = new MetricsRegistry();
  readonly clock = new VirtualClock();
  readonly events: RecordedEvent[] = [];
  readonly #informers = new Map<string, FakeInformer>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #created = 0;
  /** Replaces the server's answer to a binding, for failures. */
  bindFails: ((pod: string) => Error | undefined) | undefined;

  informer(type: ResourceType): FakeInformer {
    const key = `${type.group}/${type.plural}`;
    let informer = this.#informers.get(key);
    if (!informer) {
      informer = new FakeInformer(type);
      this.#informers.set(key, informer);
    }
    return informer;
  }

  readonly informers: InformerFactory = {
    of: <T extends KubeObject>(type: ResourceType<T>) => this.informer(type) as unknown as Informer<T>,
    synced: () => Promise.resolve(),
    until: () => this.informers,
  };

  put<T extends KubeObject>(type: ResourceType<T>, object: T): void {
    this.informer(type).put(object);
  }
  delete(type: ResourceType, key: string): void {
    this.informer(type).remove(key);
  }
  pod(name: string): Pod {
    return this.informer(Pod).get(`default/${name}`) as Pod;
  }
  addNodes(...nodes: Node[]): void {
    for (const node of nodes) this.put(Node, node);
  }
  addPods(...pods: Pod[]): void {
    for (const pod of pods) this.put(Pod, pod);
  }
  nodeOf(name: string): string | undefined {
    return this.pod(name)?.spec?.nodeName;
  }
  eventsOf(name: string): string[] {
    return this.events
      .filter(({ object }) => object === name)
      .map(({ reason, message }) => `${reason}: ${message}`);
  }

  get recorder(): EventRecorder {
    return this.#recorderFor('');
  }

  start(configuration?: SchedulerConfiguration): void {
    const { clock, informers } = this;
    this.#running = startScheduler(
      {
        client: this.client,
        informers,
        clock,
        random: seededRandom(1),
        logger: silentLogger,
        metrics: this.metrics,
        recorder: this.recorder,
        ...(configuration && { configuration }),
      },
      this.#stop.signal,
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.advance(0);
    await this.#running;
  }

  #recorderFor(component: string): EventRecorder {
    const recorder: EventRecorder = {
      event: ({ name }, _type, reason, message) =>
        void this.events.push({ component, object: name, reason, message }),
      flushed: () => Promise.resolve(),
      for: (other) => this.#recorderFor(other),
      annotated: () => recorder,
    };
    return recorder;
  }

  readonly client = sparse<Client>({
    createSubresource: async (
      _type: ResourceType,
      at: { name: string; namespace?: string },
      body: { target: { name: string } },
    ) => {
      const pod = this.#found(Pod, at) as Pod;
      const error = this.bindFails?.(at.name);
      if (error) throw error;
      this.put(Pod, { ...pod, spec: { ...pod.spec!, nodeName: body.target.name } });
    },
    patch: async (
      type: ResourceType,
      at: { name: string; namespace?: string },
      patch: {
        status?: { conditions?: { type: string }[]; nominatedNodeName?: string | null };
        metadata?: object;
        spec?: object;
      },
    ) => {
      const object = this.#found(type, at) as Pod;
      const changed = patch.status?.conditions ?? [];
      const kept = (object.status?.conditions ?? []).filter(
        ({ type }) => !changed.some((one) => one.type === type),
      );
      const status = { ...object.status, ...patch.status, conditions: [...kept, ...changed] };
      const merged = {
        ...object,
        status,
        metadata: { ...object.metadata, ...mergeInto(object.metadata, patch.metadata) },
      };
      this.put(type, asKubeObject(merged));
      return merged;
    },
    update: async (type: ResourceType, object: KubeObject) => {
      this.#found(type, object.metadata);
      this.put(type, object);
      return object;
    },
    get: async (type: ResourceType, at: { name: string; namespace?: string }) => this.#found(type, at),
    create: async (type: ResourceType, { metadata, ...rest }: { metadata: Partial<ObjectMeta> }) => {
      const number = ++this.#created;
      const name = metadata.name ?? `${metadata.generateName}${number}`;
      const object = asKubeObject({ ...rest, metadata: { ...metadata, name, uid: `created-${number}` } });
      this.put(type, object);
      return object;
    },
    delete: async (type: ResourceType, at: { name: string; namespace?: string }) => {
      this.#found(type, at);
      this.delete(type, keyOf({ metadata: at }));
    },
  });

  #found(type: ResourceType, at: { name: string; namespace?: string }): KubeObject {
    const object = this.informer(type).get(keyOf({ metadata: at }));
    if (!object) throw notFound(type, at.name);
    return object;
  }
}

/** One level deep: annotations and labels are merged, everything else replaced. */
function mergeInto(metadata: object, patch: object = {}): object {
  const merged: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(patch)) {
    const before = (metadata as Record<string, unknown>)[key];
    merged[key] =
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? { ...(before as object), ...value }
        : value;
  }
  return merged;
}
