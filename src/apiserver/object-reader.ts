/** How the server's own parts (authentication, authorization, admission) read objects: synchronously, from the view. */
import type { KubeObject, ResourceType } from '../api/meta.ts';

/** Objects handed out are shared and frozen. */
export interface ObjectReader {
  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): T | undefined;
  /** Of one namespace, or of all when `namespace` is absent. */
  list<T extends KubeObject>(type: ResourceType<T>, namespace?: string): Iterable<T>;
  /** Grows whenever an object of the resource changes: what was computed from them may be kept until then. */
  changesOf(type: ResourceType): number;
}
