/** Who calls the kubelet's server, and what they may do: client certificates here, everything else asked of the API. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { mastersGroup } from '../../api/well-known.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';

export interface Caller {
  name: string;
  groups: string[];
}

interface ReviewStatus {
  authenticated?: boolean;
  allowed?: boolean;
  user?: { username?: string; groups?: string[] };
}

/** How long an answer of the API is believed; upstream's figures for what was allowed and denied. */
const allowedTtlMs = 5 * 60_000;
const deniedTtlMs = 30_000;
const cacheMax = 1000;

export class ServerAuth {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #answers = new Map<string, { value: unknown; untilMs: number }>();

  constructor(options: { client: Client; clock: Clock }) {
    this.#client = options.client;
    this.#clock = options.clock;
  }

  /** Undefined: nobody we know. */
  async authenticate(request: IncomingMessage): Promise<Caller | undefined> {
    const socket = request.socket as TLSSocket;
    if (socket.authorized) {
      const { CN, O } = socket.getPeerCertificate().subject as { CN?: string; O?: string | string[] };
      if (CN) return { name: CN, groups: [O ?? []].flat() };
    }
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!token) return undefined;
    return this.#remember(`token/${token}`, async () => {
      const status = await this.#review('tokenreviews', 'authentication.k8s.io/v1', 'TokenReview', { token });
      if (!status.authenticated) return undefined;
      return { name: status.user?.username ?? '', groups: status.user?.groups ?? [] };
    });
  }

  async authorize(caller: Caller, method: string, subresource: string, nodeName: string): Promise<boolean> {
    if (caller.groups.includes(mastersGroup)) return true;
    const verb =
      method === 'GET' || method === 'HEAD' ? 'get' : method === 'POST' ? 'create' : method.toLowerCase();
    const key = `may/${JSON.stringify([caller, verb, subresource])}`;
    const allowed = await this.#remember(key, async () => {
      const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName };
      const spec = { user: caller.name, groups: caller.groups, resourceAttributes };
      const status = await this.#review(
        'subjectaccessreviews',
        'authorization.k8s.io/v1',
        'SubjectAccessReview',
        spec,
      );
      return status.allowed === true ? true : undefined;
    });
    return allowed ?? false;
  }

  async #review(plural: string, apiVersion: string, kind: string, spec: object): Promise<ReviewStatus> {
    const body = { apiVersion, kind, metadata: {}, spec };
    const answer = await this.#client.raw<{ status?: ReviewStatus }>(
      'POST',
      `/apis/${apiVersion}/${plural}`,
      body,
    );
    return answer.status ?? {};
  }

  async #remember<T>(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const nowMs = this.#clock.monotonic();
    const known = this.#answers.get(key);
    if (known && known.untilMs > nowMs) return known.value as T | undefined;
    const value = await ask();
    if (this.#answers.size >= cacheMax) this.#answers.clear();
    this.#answers.set(key, { value, untilMs: nowMs + (value === undefined ? deniedTtlMs : allowedTtlMs) });
    return value;
  }
}

/** The subresource of nodes that a path counts as. */
export function subresourceOf(path: string): string {
  if (path.startsWith('/stats')) return 'stats';
  if (path.startsWith('/metrics')) return 'metrics';
  if (path.startsWith('/logs')) return 'log';
  if (path === '/healthz') return 'healthz';
  if (path === '/pods' || path === '/runningpods/') return 'pods';
  if (path === '/configz') return 'configz';
  return 'proxy';
}
