/** The token of a service account for a program of the cluster: asked for, kept while it is good, renewed in time. */
import type { KubeObject } from '../api/meta.ts';
import { ServiceAccount } from '../api/resources.gen.ts';
import type { Clock } from '../base/clock.ts';
import type { Client } from './client.ts';

export interface AccountToken {
  /** @throws what the server said, when there is none yet and none to be had */
  get(): Promise<string>;
  /** The server does not take it any more. */
  forget(): void;
}

interface TokenRequest extends Omit<KubeObject, 'metadata'> {
  spec: { audiences: string[]; expirationSeconds: number };
  status?: { token: string; expirationTimestamp: string };
}

interface Held {
  token: string;
  expiresMs: number;
  renewMs: number;
}

const expirationSeconds = 3_600;
/** Of its life, as kubelets do with the tokens of pods. */
const renewAtFraction = 0.8;
/** When it could not be renewed. */
const retryMs = 10_000;

export function accountToken(
  client: Client,
  account: { namespace: string; name: string },
  clock: Clock,
): AccountToken {
  let held: Held | undefined;
  let asking: Promise<Held> | undefined;
  const renew = () => {
    asking ??= askFor(client, account, clock).finally(() => {
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

async function askFor(
  client: Client,
  account: { namespace: string; name: string },
  clock: Clock,
): Promise<Held> {
  const { status } = await client.createSubresource<TokenRequest, TokenRequest>(
    ServiceAccount,
    account,
    'token',
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [], expirationSeconds },
    },
  );
  if (!status) throw new Error('the answer holds no token');
  const nowMs = clock.now();
  const expiresMs = Date.parse(status.expirationTimestamp);
  return { token: status.token, expiresMs, renewMs: nowMs + (expiresMs - nowMs) * renewAtFraction };
}
