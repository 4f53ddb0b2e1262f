/** The token of a service account for a program of the cluster: asked for, kept while it is good, renewed in time. */
import type { Clock } from '../base/clock.ts';
import type { Client } from './client.ts';
import { type IssuedToken, requestToken } from './token-request.ts';

export interface AccountToken {
  /** @throws the server's answer, when there is no token yet and none can be obtained */
  get(): Promise<string>;
  /** The server no longer accepts it. */
  forget(): void;
}

const expirationSeconds = 3_600;
/** When it could not be renewed. */
const retryMs = 10_000;

export function accountToken(
  client: Client,
  account: { namespace: string; name: string },
  clock: Clock,
): AccountToken {
  let held: IssuedToken | undefined;
  let asking: Promise<IssuedToken> | undefined;
  const renew = () => {
    asking ??= requestToken(client, account, { audiences: [], expirationSeconds }, clock).finally(() => {
      asking = undefined;
    });
    return asking;
  };
  return {
    async get() {
      const nowMs = clock.now();
      if (held && nowMs < held.renewMs) return held.token;
      try {
        held = await renew();
        return held.token;
      } catch (error) {
        // The old one still serves while the server has no new one.
        if (!held || nowMs >= held.expiresMs) throw error;
        held.renewMs = nowMs + retryMs;
        return held.token;
      }
    },
    forget() {
      held = undefined;
    },
  };
}
