/** What a user can do about a command that failed. */
import { Failure } from '../host/failure.ts';

/** Only a reader of the log can know what to fix. */
const mendByLog =
  'fix what the log reports, and run the command again; "wherry doctor" examines this machine';

/** `dataFolder`: where Wherry writes. */
export function adviceOn(error: Error, dataFolder: string): string | undefined {
  if (error instanceof Failure) return error.advice ?? (error.logFile && mendByLog);
  const { code, syscall } = error as NodeJS.ErrnoException;
  // The kernel also returns this code for too many watchers.
  if (code === 'ENOSPC' && syscall !== 'watch')
    return `make room below ${dataFolder}, and run the command again`;
  return undefined;
}
