/** How a failed pull is told: the runtime's words, and the reason that a container shows meanwhile. */
import type { WaitingReason } from '../containers/container-statuses.ts';
import { RuntimeError } from '../cri/runtime-error.ts';

/** Words with which a runtime begins, and what becomes of them. */
const known: readonly [reason: string, because: string][] = [
  ['RegistryUnavailable', 'the registry is unavailable'],
  ['SignatureValidationFailed', 'the signature validation failed'],
];

/** As events say it: a code that says nothing is left out. */
export function pullFailureText(error: Error): string {
  return error instanceof RuntimeError && error.code === 'Unknown' ? error.description : error.message;
}

/** `text`: the image as its container names it; `failure`: from {@link pullFailureText}. */
export function pullProblemOf(text: string, failure: string): WaitingReason {
  for (const [reason, because] of known)
    if (failure.startsWith(reason))
      return {
        reason,
        message: `image pull failed for ${text} because ${because}${failure.slice(reason.length)}`,
      };
  return { reason: 'ErrImagePull', message: failure };
}
