/** Objects that controllers create in every namespace: losing a race to create one is not a failure. */
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import { isNamespaceTerminating } from './pod-control.ts';

/** Waits for a create; somebody else's object of that name, or a namespace that goes away, are fine too. */
export async function inNamespaceThatStays(create: Promise<unknown>): Promise<void> {
  try {
    await create;
  } catch (error) {
    if (!isAlreadyExists(error) && !isNotFound(error) && !isNamespaceTerminating(error)) throw error;
  }
}
