/** ID tokens of an OpenID Connect provider, checked with the keys that its discovery document leads to. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { UserInfo } from '../request.ts';
import { credentialIdKey, type TokenAuthenticator } from './authenticator.ts';
import { DistributedClaim } from './distributed-claims.ts';
import {
  type Claims,
  ClaimsError,
  knownAlgorithms,
  parseToken,
  TokenError,
  verifyIdToken,
} from './id-token.ts';
import { ProviderKeys, type ProviderKeysOptions } from './provider-keys.ts';

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

/** An issuer of accepted tokens, and the mapping of their claims to users. */
export interface TokenProvider extends ProviderKeysOptions {
  /** A token must be meant for one of them. */
  audiences: readonly string[];
  /** All that are known unless set. */
  signingAlgorithms?: readonly string[];
  /** The claim with the groups, which a token may leave to another place. */
  groupsClaim?: string | undefined;
  /** @throws ClaimsError with the reason why this genuine token is not accepted */
  userOf(claims: Claims): UserInfo;
}

/** @throws when an option cannot be right */
export function openIdConnect(
  options: OpenIdConnectOptions,
  system: { clock: Pick<Clock, 'now' | 'monotonic'>; logger: Logger },
): TokenAuthenticator {
  const { issuerUrl, clientId, ca, signingAlgorithms = ['RS256'], groupsClaim } = options;
  const userOf = (claims: Claims) => userByOptions(claims, options);
  const audiences = [clientId];
  return providerTokens({ issuerUrl, audiences, ca, signingAlgorithms, groupsClaim, userOf }, system);
}

/** @throws when an option cannot be right */
export function providerTokens(
  provider: TokenProvider,
  { clock, logger }: { clock: Pick<Clock, 'now' | 'monotonic'>; logger: Logger },
): TokenAuthenticator {
  const { issuerUrl, audiences, signingAlgorithms = knownAlgorithms } = provider;
  if (!issuerUrl.startsWith('https://')) throw new Error('the issuer of OpenID Connect must be an https URL');
  const unknown = signingAlgorithms.find((name) => !knownAlgorithms.includes(name));
  if (unknown) throw new Error(`${unknown} is no signing algorithm of OpenID Connect`);
  const keys = new ProviderKeys(provider, clock);
  const elsewhere =
    provider.groupsClaim === undefined
      ? undefined
      : new DistributedClaim(provider.groupsClaim, { ...provider, signingAlgorithms }, clock);
  return async (token, _, refused) => {
    const refuse = (reason: string) => {
      refused?.(reason);
      return undefined;
    };
    const parsed = parseToken(token);
    // Whose token it is, is looked at before anything is fetched.
    if (!parsed || parsed.claims.iss !== issuerUrl) return undefined;
    try {
      await verifyIdToken(parsed, keys, { audiences, signingAlgorithms, nowMs: clock.now() });
    } catch (error) {
      if (error instanceof TokenError) return refuse(`oidc: verify token: ${error.message}`);
      logger.warn('the keys of the OpenID Connect provider could not be read', { issuer: issuerUrl, error });
      return refuse('oidc: authenticator not initialized');
    }
    try {
      const claims = elsewhere ? await elsewhere.expand(parsed.claims) : parsed.claims;
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
