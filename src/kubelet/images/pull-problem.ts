/** How a failed pull is told: the runtime's words, and the reason that a container shows meanwhile. */
import type { WaitingReason } from '../containers/container-statuses.ts';
import { RuntimeError } from '../cri/runtime-error.ts';

/** Words with which a runtime begins, and what becomes of them. */
const known: readonly [reason: string, because: string][] = [
  ['RegistryUnavailable', 'the registry is unavailable'],
  ['SignatureValidationFailed', 'the signature validation failed'],
];

/** `text`: the image as its container names it. */
export function pullProblemOf(text: string, error: Error): WaitingReason {
  const said = error instanceof RuntimeError ? error.description : error.message;
  for (const [reason, because] of known)
    if (said.startsWith(reason))
      return {
        reason,
        message: `image pull failed for ${text} because ${because}${said.slice(reason.length)}`,
      };
  return { reason: 'ErrImagePull', message: error.message };
}
