/** Objects that controllers put into every namespace: losing a race for them is no failure. */
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
