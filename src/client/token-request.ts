/** Tokens of service accounts, as the API issues them (authentication.k8s.io/v1, TokenRequest). */
import { ServiceAccount } from '../api/resources.gen.ts';
import type { TokenRequest, TokenRequestSpec } from '../api/types/authentication-v1.gen.ts';
import type { Clock } from '../base/clock.ts';
import type { Client, ObjectName } from './client.ts';

/** Times in milliseconds since the epoch, by the requester's clock. */
export interface IssuedToken {
  token: string;
  askedMs: number;
  expiresMs: number;
  /** When another one should be asked for. */
  renewMs: number;
}

/** Upstream renews after this part of a token's life, and at the latest after a day. */
const renewAtFraction = 0.8;
const renewAfterMaxMs = 24 * 3600 * 1000;

/** @throws StatusError, or what the transport threw */
export async function requestToken(
  client: Client,
  account: ObjectName,
  spec: TokenRequestSpec & { expirationSeconds: number },
  clock: Pick<Clock, 'now'>,
): Promise<IssuedToken> {
  const request: Omit<TokenRequest, 'metadata'> = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec,
  };
  const answer = await client.createSubresource<typeof request, TokenRequest>(
    ServiceAccount,
    account,
    request,
    { subresource: 'token' },
  );
  const { token, expirationTimestamp } = answer.status ?? {};
  if (!token || !expirationTimestamp) throw new Error('the answer holds no token');
  const askedMs = clock.now();
  const expiresMs = Date.parse(expirationTimestamp);
  const lifeMs = Math.min(expiresMs - askedMs, spec.expirationSeconds * 1000);
  return {
    token,
    askedMs,
    expiresMs,
    renewMs: askedMs + Math.min(lifeMs * renewAtFraction, renewAfterMaxMs),
  };
}
