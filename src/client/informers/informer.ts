/** A local copy of a resource that follows the server: list, then watch, then relist when the watch is lost. */
import type { KubeObject, ResourceType } from '../../api/meta.ts';

export interface InformerHandlers<T extends KubeObject> {
  added?(object: T): void;
  updated?(object: T, old: T): void;
  /** `object`: the last known state; after a lost watch it may be older than the deleted one. */
  deleted?(object: T): void;
}

/** Objects handed out are shared: treat them as frozen, copy before changing. */
export interface Informer<T extends KubeObject> {
  readonly type: ResourceType<T>;
  /** By `namespace/name` or `name`. */
  get(key: string): T | undefined;
  list(): Iterable<T>;
  inNamespace(namespace: string): Iterable<T>;
  /** Objects for which an index function gave `value`; see {@link Informer.addIndex}. */
  byIndex(index: string, value: string): Iterable<T>;
  /**
   * Adds an index and fills it from the present objects. Adding the same function under the same name again does
   * nothing.
   */
  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void;
  /** Handlers run in the order of the server's events; a handler added later gets the present objects as `added`. */
  handle(handlers: InformerHandlers<T>): void;
  /** The newest resourceVersion that the cache is known to include. */
  readonly resourceVersion: string;
  /** Resolves when the cache includes what was written at `resourceVersion`; at once when it already does. */
  includes(resourceVersion: string): Promise<void>;
  /** Resolves when the first list is in; rejects with the signal's reason when the informer is stopped before. */
  synced(): Promise<void>;
  readonly hasSynced: boolean;
}

/** One informer per resource (and selector), shared by all its users. */
export interface InformerFactory {
  of<T extends KubeObject>(
    type: ResourceType<T>,
    filter?: { namespace?: string; labelSelector?: string; fieldSelector?: string },
  ): Informer<T>;
  /** Resolves when every informer asked for so far has synced. */
  synced(): Promise<void>;
  /** Informers of its own, which end with the signal: for what is followed only for a while. */
  until(signal: AbortSignal): InformerFactory;
}
