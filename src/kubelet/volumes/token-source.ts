/** Bound service-account tokens for pods: asked of the API once, kept until most of their life is over. */
import { type Pod, ServiceAccount } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';

interface Held {
  token: string;
  askedMs: number;
  expiresMs: number;
  refreshMs: number;
}

interface TokenRequest {
  apiVersion: string;
  kind: string;
  spec: { audiences?: string[]; expirationSeconds?: number; boundObjectRef?: object };
  status?: { token: string; expirationTimestamp: string };
}

const defaultExpirationSeconds = 3600;
/** Upstream renews after this part of a token's life, and at the latest after a day. */
const renewAtFraction = 0.8;
const renewAfterMaxMs = 24 * 3600 * 1000;
/** A clock that was set back further than this makes a token one of the future, which servers refuse. */
const setBackMs = 60_000;
/** Between two tries to renew one. */
const renewRetryMs = 30_000;

export class TokenSource {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();

  constructor(options: { client: Client; clock: Clock }) {
    this.#client = options.client;
    this.#clock = options.clock;
  }

  async tokenFor(pod: Pod, source: core.ServiceAccountTokenProjection): Promise<string> {
    return (await this.timedTokenFor(pod, source)).token;
  }

  /** `expiresMs`: since the epoch. */
  async timedTokenFor(
    pod: Pod,
    source: core.ServiceAccountTokenProjection,
  ): Promise<{ token: string; expiresMs: number }> {
    const key = `${pod.metadata.uid}/${source.audience ?? ''}/${source.expirationSeconds ?? ''}`;
    const held = this.#held.get(key);
    const nowMs = this.#clock.now();
    if (held && nowMs < held.refreshMs && nowMs > held.askedMs - setBackMs) return held;
    try {
      const fresh = await this.#request(pod, source);
      this.#held.set(key, fresh);
      return fresh;
    } catch (error) {
      const why = (error as Error).message;
      if (!held) throw new Error(`failed to fetch token: ${why}`, { cause: error });
      held.refreshMs = nowMs + renewRetryMs;
      // The old one still serves while the API is away.
      if (nowMs < held.expiresMs) return held;
      throw new Error(`token expired and refresh failed: ${why}`, { cause: error });
    }
  }

  /** When the first of the pod's tokens should be renewed. */
  refreshDueMs(podUid: string): number | undefined {
    let due: number | undefined;
    for (const [key, held] of this.#held)
      if (key.startsWith(`${podUid}/`)) due = Math.min(due ?? held.refreshMs, held.refreshMs);
    return due;
  }

  forget(podUid: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${podUid}/`)) this.#held.delete(key);
  }

  async #request(pod: Pod, source: core.ServiceAccountTokenProjection): Promise<Held> {
    const { name, namespace = '', uid } = pod.metadata;
    const expirationSeconds = source.expirationSeconds ?? defaultExpirationSeconds;
    const body: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: source.audience ? [source.audience] : [],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const at = { namespace, name: pod.spec.serviceAccountName || 'default' };
    const answer = await this.#client.createSubresource<TokenRequest, TokenRequest>(
      ServiceAccount,
      at,
      'token',
      body,
    );
    const { token, expirationTimestamp } = answer.status ?? {};
    if (!token || !expirationTimestamp) throw new Error('the answer holds no token');
    const nowMs = this.#clock.now();
    const expiresMs = Date.parse(expirationTimestamp);
    const lifeMs = Math.min(expiresMs - nowMs, expirationSeconds * 1000);
    const refreshMs = nowMs + Math.min(lifeMs * renewAtFraction, renewAfterMaxMs);
    return { token, askedMs: nowMs, expiresMs, refreshMs };
  }
}
