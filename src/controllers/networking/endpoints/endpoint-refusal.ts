/** Reports refused writes of a Service's addresses: clients keep using outdated addresses until one succeeds. */
import { isConflict, isNamespaceTerminating, StatusError } from '../../../api/status.ts';

/**
 * Waits for a write. A conflict, which is retried at once, and a namespace that is being deleted are not reported.
 * @throws what the server said
 */
export async function reportRefusal<T>(write: Promise<T>, report: (why: string) => void): Promise<T> {
  try {
    return await write;
  } catch (error) {
    const isExpected = [isConflict, isNamespaceTerminating].some((is) => is(error));
    if (error instanceof StatusError && !isExpected) report(error.message);
    throw error;
  }
}
