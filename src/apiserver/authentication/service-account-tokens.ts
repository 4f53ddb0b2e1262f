/** Tokens of service accounts: their content, and whether the objects to which they are bound still exist. */

import { invalidSinceLabel } from '../../api/core/legacy-token.ts';
import type { KubeObject } from '../../api/meta.ts';
import { Node, Pod, Secret, ServiceAccount } from '../../api/resources.gen.ts';
import { instantOf } from '../../api/schema/time.ts';
import { dnsLabelProblems, subdomainProblems } from '../../api/validation/names.ts';
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
  /** Called with the Secret whose token a client has shown. */
  legacyTokenUsed?(secret: Secret): void;
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
/** How far the clock of another server may be from this one's. */
const leewaySeconds = 60;
const invalidated = 'service account token has been invalidated';
const badSignature = 'go-jose/go-jose: error in cryptographic primitive';
const unknownKey = 'invalid signature, no keys found';
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
  if (!namespace || !name) return undefined;
  const isOne = dnsLabelProblems(namespace).length === 0 && subdomainProblems(name).length === 0;
  return isOne ? { namespace, name } : undefined;
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

  /** `expirationTimestamp`: RFC 3339; when the holder should have replaced it. `id`: by which its uses are known. */
  issue(facts: TokenRequestFacts): { token: string; expirationTimestamp: string; id: string } {
    const { tokens, issuer, clock, random, audiences: ownAudiences } = this.#options;
    const now = Math.floor(clock.now() / 1000);
    const isMounted = facts.bound?.kind === 'Pod' && facts.expirationSeconds === mountedExpirationSeconds;
    const isOwn = facts.audiences.every((audience) => ownAudiences.includes(audience));
    const extended = isMounted && isOwn;
    const softExpiry = now + facts.expirationSeconds;
    const id = random.uuid();
    const token = tokens.sign({
      aud: facts.audiences,
      exp: extended ? now + extendedExpirationSeconds : softExpiry,
      iat: now,
      iss: issuer,
      jti: id,
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
    const expirationTimestamp = new Date(softExpiry * 1000).toISOString().replace('.000Z', 'Z');
    return { token, expirationTimestamp, id };
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

  readonly authenticate: TokenAuthenticator = (token, audiences = this.#options.audiences, refused) => {
    const { tokens, issuer } = this.#options;
    const claims = this.#claimsOf(token);
    if (!claims) {
      const claimed = tokens.unverifiedClaims(token)?.iss;
      if (claimed === issuer || claimed === legacyIssuer)
        refused?.(tokens.knowsKeyOf(token) ? badSignature : unknownKey);
      return undefined;
    }
    if (claims.iss !== issuer && claims.iss !== legacyIssuer) return undefined;
    const found =
      claims.iss === issuer ? this.#boundUser(claims, audiences) : this.#legacyUser(token, claims, audiences);
    if (typeof found !== 'string') return found;
    refused?.(found);
    return undefined;
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

  /** Or the reason why the token is not valid, in upstream's words. */
  #boundUser(claims: Record<string, unknown>, audiences: readonly string[]): AuthenticatedToken | string {
    const now = this.#options.clock.now() / 1000;
    const meantFor = (Array.isArray(claims.aud) ? claims.aud : [claims.aud]) as string[];
    const shared = sharedAudiences(meantFor, audiences);
    if (typeof shared === 'string') return shared;
    const wrongTime = timeProblem(claims, now);
    if (wrongTime !== undefined) return `service account token ${wrongTime}`;
    const claim = claims['kubernetes.io'] as KubernetesClaim | undefined;
    const { namespace, serviceaccount } = claim ?? {};
    if (!claim || !namespace || !serviceaccount?.name) return 'serviceaccounts "" not found';
    const gone = this.#whatIsGone(namespace, claim);
    if (gone !== undefined) return gone;
    const user = serviceAccountUser(namespace, serviceaccount.name, serviceaccount.uid);
    return { user: { ...user, extra: extraOf(claims, claim) }, audiences: shared };
  }

  /** Undefined: the account and what the token is bound to are still there. */
  #whatIsGone(namespace: string, claim: KubernetesClaim): string | undefined {
    const { objects } = this.#options;
    const { uid, name = '' } = claim.serviceaccount!;
    const account = objects.get(ServiceAccount, namespace, name);
    if (!account) return `serviceaccounts "${name}" not found`;
    if (account.metadata.uid !== uid)
      return `service account UID (${account.metadata.uid}) does not match claim (${uid ?? ''})`;
    if (this.#isLongDeleted(account)) return `service account ${namespace}/${name} has been deleted`;
    const { pod, secret, node } = claim;
    const get = (kind: typeof Pod | typeof Secret, bound: NamedUid) =>
      objects.get<KubeObject>(kind, namespace, bound.name ?? '');
    if (pod) return this.#whyUnbound('pod UID', 'pod ref', get(Pod, pod), pod);
    if (secret)
      return this.#whyUnbound('secret UID', 'service account secret ref', get(Secret, secret), secret);
    if (node) return this.#whyUnbound('node UID', 'node ref', objects.get(Node, '', node.name ?? ''), node);
    return undefined;
  }

  #whyUnbound(
    what: string,
    claim: string,
    found: KubeObject | undefined,
    claimed: NamedUid,
  ): string | undefined {
    if (!found) return invalidated;
    const { uid } = found.metadata;
    if (uid !== claimed.uid) return `${what} (${uid}) does not match ${claim} claim (${claimed.uid ?? ''})`;
    return this.#isLongDeleted(found) ? invalidated : undefined;
  }

  /** An object that only waits for its finalizers gives no rights any more. */
  #isLongDeleted({ metadata: { deletionTimestamp } }: KubeObject): boolean {
    const deletedMs = deletionTimestamp === undefined ? undefined : instantOf(deletionTimestamp);
    return deletedMs !== undefined && deletedMs < this.#options.clock.now() - leewaySeconds * 1000;
  }

  /** Of a token in a Secret, which is meant for this server alone. Or the reason, as {@link #boundUser}. */
  #legacyUser(
    token: string,
    claims: Record<string, unknown>,
    audiences: readonly string[],
  ): AuthenticatedToken | string {
    const shared = sharedAudiences(this.#options.audiences, audiences);
    if (typeof shared === 'string') return shared;
    const { namespace, secret, account, uid, problem } = readLegacyClaims(claims);
    if (problem !== undefined) return problem;
    const gone = this.#whyLegacyIsGone(token, { namespace, secret, account, uid });
    if (gone !== undefined) return gone;
    return { user: serviceAccountUser(namespace, account, uid), audiences: shared };
  }

  #whyLegacyIsGone(
    token: string,
    { namespace, secret: secretName, account: accountName, uid }: LegacyClaims,
  ): string | undefined {
    const { objects } = this.#options;
    const secret = objects.get(Secret, namespace, secretName);
    if (!secret || secret.metadata.deletionTimestamp) return 'Token has been invalidated';
    const held = secret.data?.token;
    if (!held || Buffer.from(held, 'base64').toString() !== token)
      return "Token does not match server's copy";
    const account = objects.get(ServiceAccount, namespace, accountName);
    if (!account) return `serviceaccounts "${accountName}" not found`;
    const { metadata } = account;
    if (metadata.deletionTimestamp) return `ServiceAccount ${namespace}/${accountName} has been deleted`;
    if (metadata.uid !== uid) return `ServiceAccount UID (${metadata.uid}) does not match claim (${uid})`;
    this.#options.legacyTokenUsed?.(secret);
    if (!secret.metadata.labels?.[invalidSinceLabel]) return undefined;
    return `the token in secret ${namespace}/${secretName} for service account ${namespace}/${accountName} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`;
  }
}

/** Those that the token is meant for among those asked for; why there are none. */
function sharedAudiences(meantFor: readonly string[], audiences: readonly string[]): string[] | string {
  const shared = audiences.filter((audience) => meantFor.includes(audience));
  if (shared.length > 0) return shared;
  return `token audiences ${goTexts(meantFor)} is invalid for the target audiences ${goTexts(audiences)}`;
}

interface LegacyClaims {
  namespace: string;
  /** Names. */
  secret: string;
  account: string;
  /** Of the account. */
  uid: string;
}

function readLegacyClaims(claims: Record<string, unknown>): LegacyClaims & { problem: string | undefined } {
  const claim = (name: string) => String(claims[`kubernetes.io/serviceaccount/${name}`] ?? '');
  const sub = String(claims.sub ?? '');
  const read = {
    namespace: claim('namespace'),
    secret: claim('secret.name'),
    account: claim('service-account.name'),
    uid: claim('service-account.uid'),
  };
  const names: [string, string][] = [
    [sub, 'sub'],
    [read.namespace, 'namespace'],
    [read.secret, 'secretName'],
    [read.account, 'serviceAccountName'],
    [read.uid, 'serviceAccountUID'],
  ];
  const missing = names.find(([value]) => value === '');
  if (missing) return { ...read, problem: `${missing[1]} claim is missing` };
  const isOwn = sub === `${userPrefix}${read.namespace}:${read.account}`;
  return { ...read, problem: isOwn ? undefined : 'sub claim is invalid' };
}

/** Of times in seconds. */
function timeProblem({ exp, nbf, iat }: Record<string, unknown>, now: number): string | undefined {
  if (typeof nbf === 'number' && now + leewaySeconds < nbf) return 'is not valid yet';
  if (typeof exp !== 'number' || now - leewaySeconds > exp) return 'has expired';
  if (typeof iat === 'number' && now + leewaySeconds < iat) return 'is issued in the future';
  return undefined;
}

/** As Go prints a list of texts. */
export function goTexts(texts: readonly string[]): string {
  return `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`;
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
