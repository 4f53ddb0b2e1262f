/** The order in which objects were created. */
import type { KubeObject } from '../api/meta.ts';

/** Oldest first; objects of the same second are ordered by name. */
export function byCreation(a: KubeObject, b: KubeObject): number {
  const [left, right] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
