/** Objects that controllers put into every namespace: losing a race for them is no failure. */
import { StatusError } from '../api/status.ts';
import { isNamespaceTerminating } from './pod-control.ts';

/** Waits for a create; somebody else's object of that name, or a namespace that goes away, are fine too. */
export async function inNamespaceThatStays(create: Promise<unknown>): Promise<void> {
  try {
    await create;
  } catch (error) {
    const isTaken = error instanceof StatusError && error.reason === 'AlreadyExists';
    const isGone = error instanceof StatusError && error.code === 404;
    if (!isTaken && !isGone && !isNamespaceTerminating(error)) throw error;
  }
}
