/** ID tokens of an OpenID Connect provider, checked with the keys that its discovery document leads to. */
import { constants, type KeyObject, verify } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { UserInfo } from '../request.ts';
import { credentialIdKey, type TokenAuthenticator } from './authenticator.ts';
import { decodeBytes } from './json-web-token.ts';
import { ProviderKeys, type ProviderKeysOptions } from './provider-keys.ts';
import { goTexts } from './service-account-tokens.ts';

/** Upstream's --oidc-* flags. */
export interface OpenIdConnectOptions {
  /** An https URL; `iss` of its tokens. */
  issuerUrl: string;
  /** Tokens must be meant for it. */
  clientId: string;
  /** `sub` unless set. */
  usernameClaim?: string;
  /** The issuer and `#` unless set, but nothing before an email; `-` for none. */
  usernamePrefix?: string;
  /** No groups unless set. */
  groupsClaim?: string;
  groupsPrefix?: string;
  /** Claims that a token must carry with just this value. */
  requiredClaims?: Readonly<Record<string, string>>;
  /** RS256 unless set. */
  signingAlgorithms?: readonly string[];
  /** PEM; the machine's own CAs unless set. */
  ca?: string;
}

/** What a token says of its bearer. */
export type Claims = Record<string, unknown>;

/** An issuer of accepted tokens, and the mapping of their claims to users. */
export interface TokenProvider extends ProviderKeysOptions {
  /** A token must be meant for one of them. */
  audiences: readonly string[];
  /** All that are known unless set. */
  signingAlgorithms?: readonly string[];
  /** @throws ClaimsError with the reason why this genuine token is not accepted */
  userOf(claims: Claims): UserInfo;
}

export class ClaimsError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClaimsError';
  }
}

const tokenCharactersMax = 64 * 1024;

const ecdsa = { dsaEncoding: 'ieee-p1363' } as const;
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const algorithms: Readonly<Record<string, { hash: string; type: string; how: object }>> = {
  RS256: { hash: 'sha256', type: 'rsa', how: {} },
  RS384: { hash: 'sha384', type: 'rsa', how: {} },
  RS512: { hash: 'sha512', type: 'rsa', how: {} },
  PS256: { hash: 'sha256', type: 'rsa', how: pss },
  PS384: { hash: 'sha384', type: 'rsa', how: pss },
  PS512: { hash: 'sha512', type: 'rsa', how: pss },
  ES256: { hash: 'sha256', type: 'ec', how: ecdsa },
  ES384: { hash: 'sha384', type: 'ec', how: ecdsa },
  ES512: { hash: 'sha512', type: 'ec', how: ecdsa },
};

/** @throws when an option cannot be right */
export function openIdConnect(
  options: OpenIdConnectOptions,
  system: { clock: Pick<Clock, 'now' | 'monotonic'>; logger: Logger },
): TokenAuthenticator {
  const { issuerUrl, clientId, ca, signingAlgorithms = ['RS256'] } = options;
  const userOf = (claims: Claims) => userByOptions(claims, options);
  return providerTokens({ issuerUrl, audiences: [clientId], ca, signingAlgorithms, userOf }, system);
}

/** @throws when an option cannot be right */
export function providerTokens(
  provider: TokenProvider,
  { clock, logger }: { clock: Pick<Clock, 'now' | 'monotonic'>; logger: Logger },
): TokenAuthenticator {
  const { issuerUrl, audiences, signingAlgorithms = Object.keys(algorithms) } = provider;
  if (!issuerUrl.startsWith('https://')) throw new Error('the issuer of OpenID Connect must be an https URL');
  const unknown = signingAlgorithms.find((name) => !Object.hasOwn(algorithms, name));
  if (unknown) throw new Error(`${unknown} is no signing algorithm of OpenID Connect`);
  const keys = new ProviderKeys(provider, clock);
  return async (token, _, refused) => {
    const refuse = (reason: string) => {
      refused?.(reason);
      return undefined;
    };
    const parsed = token.length > tokenCharactersMax ? undefined : parseToken(token);
    // Whose token it is, is looked at before anything is fetched.
    if (!parsed || parsed.claims.iss !== issuerUrl) return undefined;
    const { header, claims, content, signature } = parsed;
    const name = header.alg as string;
    if (!signingAlgorithms.includes(name))
      return refuse(
        `oidc: verify token: oidc: id token signed with unsupported algorithm, expected ${goTexts(signingAlgorithms)} got ${JSON.stringify(name ?? '')}`,
      );
    const { hash, type, how } = algorithms[name]!;
    const id = typeof header.kid === 'string' ? header.kid : undefined;
    let candidates: KeyObject[];
    try {
      candidates = await keys.find(id);
    } catch (error) {
      logger.warn('the keys of the OpenID Connect provider could not be read', { issuer: issuerUrl, error });
      return refuse('oidc: authenticator not initialized');
    }
    const isSigned = candidates.some(
      (key) => key.asymmetricKeyType === type && verify(hash, content, { key, ...how }, signature),
    );
    if (!isSigned)
      return refuse('oidc: verify token: failed to verify signature: failed to verify id token signature');
    const problem = audienceProblem(listOf(claims.aud), audiences) ?? timeProblem(claims, clock.now());
    if (problem !== undefined) return refuse(`oidc: verify token: oidc: ${problem}`);
    try {
      return { user: provider.userOf(claims) };
    } catch (error) {
      if (!(error instanceof ClaimsError)) throw error;
      // Only the provider makes such tokens: strangers cannot fill the log.
      logger.warn('a token of the OpenID Connect provider lets nobody in', { issuer: issuerUrl, error });
      return refuse(error.message);
    }
  };
}

function userByOptions(claims: Claims, options: OpenIdConnectOptions): UserInfo {
  const { usernameClaim = 'sub', issuerUrl, usernamePrefix, groupsClaim, groupsPrefix = '' } = options;
  for (const [claim, value] of Object.entries(options.requiredClaims ?? {}))
    requireClaim(claims, claim, value);
  const byDefault = usernameClaim === 'email' ? '' : `${issuerUrl}#`;
  const prefix = usernamePrefix === '-' ? '' : (usernamePrefix ?? byDefault);
  const name = prefix + usernameOfClaim(claims, usernameClaim);
  const groups = groupsClaim ? groupsOfClaim(claims, groupsClaim) : [];
  const extra = credentialOf(claims);
  return { name, groups: groups.map((group) => groupsPrefix + group), ...(extra && { extra }) };
}

/** @throws ClaimsError */
export function requireClaim(claims: Claims, claim: string, value: string): void {
  if (!Object.hasOwn(claims, claim))
    throw new ClaimsError(`oidc: required claim ${claim} not present in ID token`);
  const found = claims[claim];
  if (typeof found !== 'string')
    throw new ClaimsError(`oidc: parse claim ${claim}: ${notOfType(found, 'string')}`);
  if (found !== value)
    throw new ClaimsError(
      `oidc: required claim ${claim} value does not match. Got = ${found}, want = ${value}`,
    );
}

/** @throws ClaimsError; also for an email that the provider says is not verified */
export function usernameOfClaim(claims: Claims, claim: string): string {
  const username = textOfClaim(claims, claim, 'username claims');
  if (claim === 'email' && Object.hasOwn(claims, 'email_verified')) {
    const verified = claims.email_verified ?? false;
    if (typeof verified !== 'boolean')
      throw new ClaimsError(`oidc: parse 'email_verified' claim: ${notOfType(verified, 'bool')}`);
    if (!verified) throw new ClaimsError('oidc: email not verified');
  }
  if (username === '') throw new ClaimsError(`oidc: parse username claims "${claim}": empty`);
  return username;
}

/** @throws ClaimsError when the claim is not there or not a text */
export function textOfClaim(claims: Claims, claim: string, what: string): string {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  if (value === undefined) throw new ClaimsError(`oidc: parse ${what} "${claim}": claim not present`);
  if (typeof value !== 'string')
    throw new ClaimsError(`oidc: parse ${what} "${claim}": ${notOfType(value, 'string')}`);
  return value;
}

/** Of one text or a list of them; none when the claim is not there. @throws ClaimsError */
export function groupsOfClaim(claims: Claims, claim: string): string[] {
  const value = (Object.hasOwn(claims, claim) ? claims[claim] : undefined) ?? [];
  const groups = typeof value === 'string' ? [value] : value;
  if (Array.isArray(groups) && groups.every((group) => typeof group === 'string')) return groups;
  throw new ClaimsError(`oidc: parse groups claim "${claim}": ${notOfType(value, 'string')}`);
}

/** What names the token in audit events. */
export function credentialOf({ jti }: Claims): UserInfo['extra'] {
  return typeof jti === 'string' && jti !== '' ? { [credentialIdKey]: [`JTI=${jti}`] } : undefined;
}

/** In the words of Go's parser. */
function notOfType(value: unknown, type: 'string' | 'bool'): string {
  const found = typeof value === 'boolean' ? 'bool' : Array.isArray(value) ? 'array' : typeof value;
  return `json: cannot unmarshal ${found} into Go value of type ${type}`;
}

function audienceProblem(meantFor: readonly string[], audiences: readonly string[]): string | undefined {
  if (meantFor.some((audience) => audiences.includes(audience))) return undefined;
  const expected =
    audiences.length === 1 ? JSON.stringify(audiences[0]) : `in ${goTexts([...audiences].sort())}`;
  return `expected audience ${expected} got ${goTexts(meantFor)}`;
}

/** How far the provider's clock may be ahead of this one's. */
const leewayMs = 60_000;

function timeProblem({ exp, nbf }: Claims, nowMs: number): string | undefined {
  if (typeof exp !== 'number') return 'token is expired (Token Expiry: 0001-01-01 00:00:00 +0000 UTC)';
  if (exp * 1000 <= nowMs) return `token is expired (Token Expiry: ${goTime(exp * 1000)})`;
  if (nbf === undefined || (typeof nbf === 'number' && nbf * 1000 <= nowMs + leewayMs)) return undefined;
  const from = typeof nbf === 'number' ? goTime(nbf * 1000) : String(nbf);
  return `current time ${goTime(nowMs)} before the nbf (not before) time: ${from}`;
}

/** To the second. */
function goTime(ms: number): string {
  if (Math.abs(ms) > latestMs) return String(ms);
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;
}

/** The last moment that a Date can hold. */
const latestMs = 8.64e15;

/** Claims hold one text or a list of them. */
export function listOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function parseToken(
  token: string,
): { header: Claims; claims: Claims; content: Buffer; signature: Buffer } | undefined {
  const [header, claims, signed, ...rest] = token.split('.');
  const signature = signed && decodeBytes(signed);
  if (!header || !claims || !signature || rest.length > 0) return undefined;
  try {
    const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    const decoded = { header: decode(header), claims: decode(claims) };
    if (!isObject(decoded.header) || !isObject(decoded.claims)) return undefined;
    return {
      header: decoded.header,
      claims: decoded.claims,
      content: Buffer.from(`${header}.${claims}`),
      signature,
    };
  } catch {
    // Not JSON: not a token of this kind, which is all that the caller asks.
    return undefined;
  }
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
