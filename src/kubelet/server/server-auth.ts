/**
 * Who calls the kubelet's server, and what they may do: client certificates are checked here, everything else by the
 * API.
 */
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

/** How long an answer of the API is cached; upstream's figures for allowed and denied. */
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

  /** Undefined: unknown. */
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
    const verb = verbOf(method);
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

/** As reviews describe a request. */
export function verbOf(method: string): string {
  const verbs: Record<string, string> = { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update' };
  return verbs[method] ?? method.toLowerCase();
}

/** Paths that, with everything below them, have their own subresource of nodes; all others are `proxy`. */
const ownSubresources = {
  '/stats': 'stats',
  '/metrics': 'metrics',
  '/logs': 'log',
  '/checkpoint': 'checkpoint',
  '/statusz': 'statusz',
  '/flagz': 'configz',
} as const;
/** These are `proxy` too: clients that were allowed everything before these had separate names still are. */
const finerSubresources = {
  '/pods': 'pods',
  '/runningpods': 'pods',
  '/healthz': 'healthz',
  '/configz': 'configz',
} as const;

/** The subresources of nodes that a path belongs to: permission for one of them is enough. */
export function subresourcesOf(path: string): string[] {
  const find = (table: Record<string, string>) =>
    Object.entries(table).find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1];
  const finer = find(finerSubresources);
  return finer ? [finer, 'proxy'] : [find(ownSubresources) ?? 'proxy'];
}
