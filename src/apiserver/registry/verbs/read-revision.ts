/** The resourceVersion of a read: whether it is one, and waiting for the state that it names. */
import { StatusError } from '../../../api/status.ts';
import type { Registry } from '../registry.ts';

/** How long a list or a watch waits for a revision that the client has seen and this server has not. */
const freshTimeoutMs = 3_000;

/** @throws StatusError 500, as upstream, unless it is a number */
export function parseReadRevision(text: string): number {
  const problem = revisionProblem(text);
  if (problem) throw new StatusError(500, '', problem);
  return Number(text);
}

const revisionMax = 2n ** 64n - 1n;
/** A number of this many digits is within range. */
const digitsMax = 19;

/** Undefined for what is empty or a number. */
export function revisionProblem(text: string): string | undefined {
  const problem = numberProblem(text);
  return problem && `resourceVersion: Invalid value: "${text}": ${problem}`;
}

/** The same in the words of Go's strconv alone, which upstream gives to writes. */
export function numberProblem(text: string): string | undefined {
  const isNumber = /^\d*$/.test(text);
  if (isNumber && (text.length <= digitsMax || BigInt(text) <= revisionMax)) return undefined;
  const why = isNumber ? 'value out of range' : 'invalid syntax';
  return `strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`;
}

/** Waits until the view is at least at `revision`. @throws StatusError 504 as upstream when it does not get there */
export async function waitUntilFresh({ view }: Registry, resourceVersion: string): Promise<void> {
  const revision = Number(resourceVersion);
  if (view.revision >= revision) return;
  try {
    await view.reached(revision, { timeoutMs: freshTimeoutMs });
  } catch (error) {
    if (error instanceof DOMException) throw tooLargeRevision(resourceVersion, view.revision);
    throw error;
  }
}

export function tooLargeRevision(wanted: string, current: number): StatusError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  const details = {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  };
  return new StatusError(504, 'Timeout', message, { details });
}
