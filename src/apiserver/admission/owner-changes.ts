/** Updates by which nothing is granted to anybody, as garbage collection makes them. */
import type { KubeObject } from '../../api/meta.ts';
import { semanticEqual } from '../../api/validation/equality.ts';

/**
 * Owners and finalizers affect an object's deletion, and grant nothing. Everything else may, including labels: by them
 * a role becomes part of another.
 */
export function changesOnlyOwners(next: KubeObject, before: KubeObject): boolean {
  return semanticEqual(withoutOwners(next), withoutOwners(before));
}

function withoutOwners({ metadata, ...rest }: KubeObject): unknown {
  const { ownerReferences, finalizers, managedFields, resourceVersion, generation, ...others } = metadata;
  return { ...rest, metadata: others };
}
