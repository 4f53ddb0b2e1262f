/** Objects that controllers create in every namespace: losing a race to create one is not a failure. */
import { isAlreadyExists, isNamespaceTerminating, isNotFound } from '../../api/status.ts';

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
