/**
 * What a component may do with the API. There are two transports below it: HTTP, for other processes and machines,
 * and a local one into an API server of the same process. Answers that are failures are thrown as {@link StatusError}s;
 * a server that cannot be reached is a {@link TransportError}. {@link createClient} makes one.
 */
import type { Draft, KubeList, KubeObject, ResourceType } from '../api/meta.ts';
import type { Reachability } from './transport/reachability.ts';

export interface ObjectName {
  name: string;
  /** Absent for cluster-scoped kinds. */
  namespace?: string;
}

export interface ListQuery {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  /** Only apiVersion, kind and metadata of each object (PartialObjectMetadata). */
  metadataOnly?: boolean;
}

export interface WatchQuery {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  allowWatchBookmarks?: boolean;
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
  /** Only apiVersion, kind and metadata of each object (PartialObjectMetadata). */
  metadataOnly?: boolean;
}

export type WatchEvent<T extends KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  /** Only metadata.resourceVersion (and annotations) mean anything. */
  | { type: 'BOOKMARK'; object: T };

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export interface WriteOptions {
  fieldManager?: string;
  dryRun?: boolean;
  /** `status`, `scale`, `binding`, … */
  subresource?: string;
  signal?: AbortSignal;
}

export interface SubresourceOptions {
  subresource: string;
  signal?: AbortSignal | undefined;
}

export interface PatchOptions extends WriteOptions {
  type: PatchType;
  /** With `apply`: take fields over from other managers. */
  force?: boolean;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
  signal?: AbortSignal;
}

export interface Client {
  /** For callers that retry: their waits end with the outage that caused them. */
  readonly reachability: Reachability;
  /** @throws StatusError with reason NotFound when it is not there. */
  get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal): Promise<T>;
  list<T extends KubeObject>(
    type: ResourceType<T>,
    query?: ListQuery,
    signal?: AbortSignal,
  ): Promise<KubeList<T>>;
  /** Ends when the server closes the watch or the signal aborts; an ERROR event is thrown as a StatusError. */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    query: WatchQuery,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(type: ResourceType<T>, object: Draft<T>, options?: WriteOptions): Promise<T>;
  /** A PUT; loses with reason Conflict when metadata.resourceVersion is not the current one. */
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: ObjectName,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T>;
  delete<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, options?: DeleteOptions): Promise<void>;
  deleteCollection<T extends KubeObject>(
    type: ResourceType<T>,
    query: ListQuery,
    options?: DeleteOptions,
  ): Promise<void>;
  /** A POST to a subresource whose body and answer are of another kind: binding, eviction, token, scale. */
  createSubresource<Body, Answer>(
    type: ResourceType,
    at: ObjectName,
    body: Body,
    options: SubresourceOptions,
  ): Promise<Answer>;
  /** Any other request: `path` with its query, e.g. `/version`. The answer is parsed JSON. */
  raw<Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer>;
}
