/** ID tokens of OpenID Connect: their form, their signature, for whom and when they are good. */

import { constants, type KeyObject, verify } from 'node:crypto';
import { isJsonObject } from '../../base/json-object.ts';
import { decodeBytes } from './json-web-token.ts';
import type { ProviderKeys } from './provider-keys.ts';
import { goTexts } from './service-account-tokens.ts';

/** What a token says of its bearer. */
export type Claims = Record<string, unknown>;

export class ClaimsError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClaimsError';
  }
}

/** Why a token is refused, in upstream's words. */
export class TokenError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TokenError';
  }
}

const tokenCharactersMax = 64 * 1024;

const ecdsa = { dsaEncoding: 'ieee-p1363' } as const;
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
/** By the name in tokens. */
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

export const knownAlgorithms: readonly string[] = Object.keys(algorithms);

export interface IdToken {
  header: Claims;
  claims: Claims;
  content: Buffer;
  signature: Buffer;
}

export interface VerifyOptions {
  /** A token must be meant for one of them. */
  audiences: readonly string[];
  signingAlgorithms: readonly string[];
  nowMs: number;
}

/**
 * Checks that the issuer has made it, for one of the audiences, and for this time.
 * @throws TokenError, or what reading the keys throws
 */
export async function verifyIdToken(
  { header, claims, content, signature }: IdToken,
  keys: ProviderKeys,
  { audiences, signingAlgorithms, nowMs }: VerifyOptions,
): Promise<void> {
  const name = header.alg as string;
  if (!signingAlgorithms.includes(name))
    throw new TokenError(
      `oidc: id token signed with unsupported algorithm, expected ${goTexts(signingAlgorithms)} got ${JSON.stringify(name ?? '')}`,
    );
  const { hash, type, how } = algorithms[name]!;
  const id = typeof header.kid === 'string' ? header.kid : undefined;
  const candidates: KeyObject[] = await keys.find(id);
  const isSigned = candidates.some(
    (key) => key.asymmetricKeyType === type && verify(hash, content, { key, ...how }, signature),
  );
  if (!isSigned) throw new TokenError('failed to verify signature: failed to verify id token signature');
  const problem = audienceProblem(listOf(claims.aud), audiences) ?? timeProblem(claims, nowMs);
  if (problem !== undefined) throw new TokenError(`oidc: ${problem}`);
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
function listOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Undefined for what is no token, or a longer one than anybody needs. */
export function parseToken(token: string): IdToken | undefined {
  if (token.length > tokenCharactersMax) return undefined;
  const [header, claims, signed, ...rest] = token.split('.');
  const signature = signed && decodeBytes(signed);
  if (!header || !claims || !signature || rest.length > 0) return undefined;
  try {
    const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    const decoded = { header: decode(header), claims: decode(claims) };
    if (!isJsonObject(decoded.header) || !isJsonObject(decoded.claims)) return undefined;
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
