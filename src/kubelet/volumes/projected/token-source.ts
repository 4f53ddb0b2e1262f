/** Bound service-account tokens for pods: requested from the API once, and kept until most of their life is over. */

import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import type { Clock } from '../../../base/clock.ts';
import { leastOf } from '../../../base/least-of.ts';
import type { Client } from '../../../client/client.ts';
import { type IssuedToken, requestToken } from '../../../client/token-request.ts';

const defaultExpirationSeconds = 3600;
/** When a clock was set back further than this, a token appears to be from the future, and servers refuse it. */
const setBackMs = 60_000;
/** Between two attempts to renew one. */
const renewRetryMs = 30_000;

export class TokenSource {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #held = new Map<string, IssuedToken>();

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
    if (held && nowMs < held.renewMs && nowMs > held.askedMs - setBackMs) return held;
    try {
      const fresh = await this.#request(pod, source);
      this.#held.set(key, fresh);
      return fresh;
    } catch (error) {
      const why = (error as Error).message;
      if (!held) throw new Error(`failed to fetch token: ${why}`, { cause: error });
      held.renewMs = nowMs + renewRetryMs;
      // The old one is still valid while the API is unavailable.
      if (nowMs < held.expiresMs) return held;
      throw new Error(`token expired and refresh failed: ${why}`, { cause: error });
    }
  }

  /** When the first of the pod's tokens should be renewed. */
  refreshDueMs(podUid: string): number | undefined {
    let due: number | undefined;
    for (const [key, held] of this.#held) if (key.startsWith(`${podUid}/`)) due = leastOf(due, held.renewMs);
    return due;
  }

  forget(podUid: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${podUid}/`)) this.#held.delete(key);
  }

  #request(pod: Pod, source: core.ServiceAccountTokenProjection): Promise<IssuedToken> {
    const { name, namespace = '', uid } = pod.metadata;
    return requestToken(
      this.#client,
      { namespace, name: pod.spec.serviceAccountName || 'default' },
      {
        audiences: source.audience ? [source.audience] : [],
        expirationSeconds: source.expirationSeconds ?? defaultExpirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
      this.#clock,
    );
  }
}
