/** What every namespace that is in use has: which namespaces those are, and how its objects are created. */
import type { Namespace } from '../../api/resources.gen.ts';
import { isAlreadyExists, isNamespaceTerminating, isNotFound } from '../../api/status.ts';

export function isActive(namespace: Namespace | undefined): boolean {
  return namespace?.status?.phase === 'Active' && !namespace.metadata.deletionTimestamp;
}

/**
 * Awaits a create. An object of that name made by another client, and a namespace that is terminating, are both fine.
 */
export async function inNamespaceThatStays(create: Promise<unknown>): Promise<void> {
  try {
    await create;
  } catch (error) {
    if (!isAlreadyExists(error) && !isNotFound(error) && !isNamespaceTerminating(error)) throw error;
  }
}
