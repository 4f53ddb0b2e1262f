/** Tokens of service accounts: their content, and whether the objects to which they are bound still exist. */

import { Node, Pod, Secret, ServiceAccount } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { UserInfo } from '../request.ts';
import type { AuthenticatedToken, TokenAuthenticator } from './authenticator.ts';
import type { JsonWebTokens } from './json-web-token.ts';

/** What a token dies with. */
export interface BoundObject {
  kind: 'Pod' | 'Secret' | 'Node';
  name: string;
  uid: string;
}

export interface TokenRequestFacts {
  namespace: string;
  serviceAccount: { name: string; uid: string };
  audiences: readonly string[];
  expirationSeconds: number;
  bound?: BoundObject;
  /** The node of a bound pod. */
  node?: { name: string; uid?: string };
}

export interface ServiceAccountTokenOptions {
  tokens: JsonWebTokens;
  /** `https://kubernetes.default.svc.cluster.local`. */
  issuer: string;
  /** Audiences of the API server itself. */
  audiences: readonly string[];
  objects: ObjectReader;
  clock: Pick<Clock, 'now'>;
  random: Random;
}

interface NamedUid {
  name?: string;
  uid?: string;
}

interface KubernetesClaim {
  namespace?: string;
  serviceaccount?: NamedUid;
  pod?: NamedUid;
  secret?: NamedUid;
  node?: NamedUid;
}

const userPrefix = 'system:serviceaccount:';
/** Clients with old mounted tokens that never reread them get this long; `warnafter` says when they should have. */
const extendedExpirationSeconds = 365 * 24 * 3600;
/** The lifetime that upstream's admission gives to mounted tokens; only these are extended. */
const mountedExpirationSeconds = 3607;
/** Tokens whose signature was checked lately. */
const verifiedTokensMax = 1_000;
/** How far the clock of the server that issued a token may be ahead of this one's. */
const leewaySeconds = 60;
const legacyIssuer = 'kubernetes/serviceaccount';

export function serviceAccountUser(namespace: string, name: string, uid?: string): UserInfo {
  return {
    name: `${userPrefix}${namespace}:${name}`,
    ...(uid && { uid }),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
  };
}

/** The account that a user's name stands for; undefined for other users. */
export function serviceAccountOf(userName: string): { namespace: string; name: string } | undefined {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(userName) ?? [];
  return namespace && name ? { namespace, name } : undefined;
}

export class ServiceAccountTokens {
  readonly #options: ServiceAccountTokenOptions;
  /** Claims by token, oldest first: verifying a signature costs a hundred times a look-up. */
  readonly #verified = new Map<string, Record<string, unknown>>();

  constructor(options: ServiceAccountTokenOptions) {
    this.#options = options;
  }

  /** Audiences of a request that names none. */
  get defaultAudiences(): readonly string[] {
    return this.#options.audiences;
  }

  /** `expirationTimestamp`: RFC 3339; when the holder should have replaced it. */
  issue(facts: TokenRequestFacts): { token: string; expirationTimestamp: string } {
    const { tokens, issuer, clock, random, audiences: ownAudiences } = this.#options;
    const now = Math.floor(clock.now() / 1000);
    const isMounted = facts.bound?.kind === 'Pod' && facts.expirationSeconds === mountedExpirationSeconds;
    const isOwn = facts.audiences.every((audience) => ownAudiences.includes(audience));
    const extended = isMounted && isOwn;
    const softExpiry = now + facts.expirationSeconds;
    const token = tokens.sign({
      aud: facts.audiences,
      exp: extended ? now + extendedExpirationSeconds : softExpiry,
      iat: now,
      iss: issuer,
      jti: random.uuid(),
      'kubernetes.io': {
        namespace: facts.namespace,
        ...(facts.node && { node: facts.node }),
        ...(facts.bound && {
          [facts.bound.kind.toLowerCase()]: { name: facts.bound.name, uid: facts.bound.uid },
        }),
        serviceaccount: facts.serviceAccount,
        ...(extended && { warnafter: softExpiry }),
      },
      nbf: now,
      sub: `${userPrefix}${facts.namespace}:${facts.serviceAccount.name}`,
    });
    return { token, expirationTimestamp: new Date(softExpiry * 1000).toISOString().replace('.000Z', 'Z') };
  }

  /** The kind without expiration, in a Secret of type kubernetes.io/service-account-token. */
  issueForSecret(
    namespace: string,
    secretName: string,
    serviceAccount: { name: string; uid: string },
  ): string {
    return this.#options.tokens.sign({
      iss: legacyIssuer,
      'kubernetes.io/serviceaccount/namespace': namespace,
      'kubernetes.io/serviceaccount/secret.name': secretName,
      'kubernetes.io/serviceaccount/service-account.name': serviceAccount.name,
      'kubernetes.io/serviceaccount/service-account.uid': serviceAccount.uid,
      sub: `${userPrefix}${namespace}:${serviceAccount.name}`,
    });
  }

  readonly authenticate: TokenAuthenticator = (token, audiences = this.#options.audiences) => {
    const claims = this.#claimsOf(token);
    if (!claims) return undefined;
    return claims.iss === legacyIssuer ? this.#legacyUser(token, claims) : this.#boundUser(claims, audiences);
  };

  #claimsOf(token: string): Record<string, unknown> | undefined {
    const known = this.#verified.get(token);
    if (known) return known;
    const claims = this.#options.tokens.verify(token);
    if (!claims) return undefined;
    if (this.#verified.size >= verifiedTokensMax) this.#verified.delete(this.#verified.keys().next().value!);
    this.#verified.set(token, claims);
    return claims;
  }

  #boundUser(claims: Record<string, unknown>, audiences: readonly string[]): AuthenticatedToken | undefined {
    const { clock, issuer } = this.#options;
    const now = clock.now() / 1000;
    if (claims.iss !== issuer || typeof claims.exp !== 'number' || now >= claims.exp) return undefined;
    if (typeof claims.nbf === 'number' && now < claims.nbf - leewaySeconds) return undefined;
    const meantFor = (Array.isArray(claims.aud) ? claims.aud : [claims.aud]) as string[];
    const shared = audiences.filter((audience) => meantFor.includes(audience));
    if (shared.length === 0) return undefined;
    const claim = claims['kubernetes.io'] as KubernetesClaim | undefined;
    const { namespace, serviceaccount } = claim ?? {};
    if (!claim || !namespace || !serviceaccount?.name) return undefined;
    if (!this.#stillThere(namespace, claim)) return undefined;
    const user = serviceAccountUser(namespace, serviceaccount.name, serviceaccount.uid);
    return { user: { ...user, extra: extraOf(claims, claim) }, audiences: shared };
  }

  #stillThere(namespace: string, { serviceaccount, pod, secret, node }: KubernetesClaim): boolean {
    const { objects } = this.#options;
    const isSame = (found: { metadata: { uid: string } } | undefined, claimed: NamedUid) =>
      found !== undefined && found.metadata.uid === claimed.uid;
    if (!isSame(objects.get(ServiceAccount, namespace, serviceaccount!.name!), serviceaccount!)) return false;
    if (pod) return isSame(objects.get(Pod, namespace, pod.name ?? ''), pod);
    if (secret) return isSame(objects.get(Secret, namespace, secret.name ?? ''), secret);
    if (node) return isSame(objects.get(Node, '', node.name ?? ''), node);
    return true;
  }

  #legacyUser(token: string, claims: Record<string, unknown>): AuthenticatedToken | undefined {
    const { objects } = this.#options;
    const claim = (name: string) => String(claims[`kubernetes.io/serviceaccount/${name}`] ?? '');
    const namespace = claim('namespace');
    const secret = objects.get(Secret, namespace, claim('secret.name'));
    const held = secret?.data?.token;
    if (!held || Buffer.from(held, 'base64').toString() !== token) return undefined;
    const account = objects.get(ServiceAccount, namespace, claim('service-account.name'));
    if (account?.metadata.uid !== claim('service-account.uid')) return undefined;
    return { user: serviceAccountUser(namespace, account.metadata.name, account.metadata.uid) };
  }
}

function extraOf(claims: Record<string, unknown>, { pod, node }: KubernetesClaim): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  const add = (key: string, value: string | undefined) => {
    if (value) extra[`authentication.kubernetes.io/${key}`] = [value];
  };
  if (typeof claims.jti === 'string') add('credential-id', `JTI=${claims.jti}`);
  add('node-name', node?.name);
  add('node-uid', node?.uid);
  add('pod-name', pod?.name);
  add('pod-uid', pod?.uid);
  return extra;
}
