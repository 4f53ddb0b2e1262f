/** Objects that need not be there. */
import { StatusError } from '../../api/status.ts';

/** For `catch`: undefined where the server has no such object. @throws whatever else went wrong */
export function undefinedIfNotFound(error: unknown): undefined {
  if (error instanceof StatusError && error.code === 404) return undefined;
  throw error;
}
