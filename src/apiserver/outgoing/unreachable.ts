/** What requests are carried to, and cannot be reached. */
import { StatusError } from '../../api/status.ts';

export class UnreachableError extends StatusError {
  /** In the words of Go's dialers: `dial tcp 10.0.0.1:80: connect: connection refused`. */
  readonly why: string;

  constructor(why: string, { cause }: { cause?: unknown } = {}) {
    super(503, 'ServiceUnavailable', `error trying to reach service: ${why}`, { cause });
    this.name = 'UnreachableError';
    this.why = why;
  }
}

/** A connection for an upgrade. As upstream, which dials apart for these, speaks of a backend, and of no reason. */
export async function dialedForUpgrade<T>(dial: () => Promise<T>): Promise<T> {
  try {
    return await dial();
  } catch (error) {
    if (error instanceof UnreachableError)
      throw new StatusError(500, '', `error dialing backend: ${error.why}`, { cause: error });
    throw error;
  }
}
