/** ID tokens of an OpenID Connect provider, checked with the keys that its discovery document leads to. */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { Agent, get } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import { decodeBytes } from './json-web-token.ts';

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

interface Key {
  id: string | undefined;
  key: KeyObject;
}

type Claims = Record<string, unknown>;

const tokenCharactersMax = 64 * 1024;
const answerBytesMax = 1024 * 1024;
const fetchTimeoutMs = 10_000;
/** An unknown key may be a new one; asking the provider for it is no lever for strangers. */
const refetchMinMs = 10_000;

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
  { clock, logger }: { clock: Pick<Clock, 'now'>; logger: Logger },
): TokenAuthenticator {
  const { issuerUrl, clientId, signingAlgorithms = ['RS256'] } = options;
  if (!issuerUrl.startsWith('https://')) throw new Error('the issuer of OpenID Connect must be an https URL');
  const unknown = signingAlgorithms.find((name) => !algorithms[name]);
  if (unknown) throw new Error(`${unknown} is no signing algorithm of OpenID Connect`);
  const keys = new ProviderKeys(options, clock);
  return async (token) => {
    const parsed = token.length > tokenCharactersMax ? undefined : parseToken(token);
    // Whose token it is, is looked at before anything is fetched.
    if (!parsed || parsed.claims.iss !== issuerUrl) return undefined;
    const { header, claims, content, signature } = parsed;
    const name = header.alg as string;
    if (!signingAlgorithms.includes(name)) return undefined;
    const { hash, type, how } = algorithms[name]!;
    const id = typeof header.kid === 'string' ? header.kid : undefined;
    let candidates: KeyObject[];
    try {
      candidates = await keys.find(id);
    } catch (error) {
      logger.warn('the keys of the OpenID Connect provider could not be read', { issuer: issuerUrl, error });
      return undefined;
    }
    const isSigned = candidates.some(
      (key) => key.asymmetricKeyType === type && verify(hash, content, { key, ...how }, signature),
    );
    if (!isSigned || !isTimely(claims, clock.now()) || !listOf(claims.aud).includes(clientId))
      return undefined;
    const user = userOf(claims, options);
    return user && { user };
  };
}

function userOf(
  claims: Claims,
  options: OpenIdConnectOptions,
): { name: string; groups: string[] } | undefined {
  const { usernameClaim = 'sub', issuerUrl, usernamePrefix, groupsClaim, groupsPrefix = '' } = options;
  for (const [claim, value] of Object.entries(options.requiredClaims ?? {}))
    if (claims[claim] !== value) return undefined;
  const username = claims[usernameClaim];
  if (typeof username !== 'string' || username === '') return undefined;
  if (usernameClaim === 'email' && 'email_verified' in claims && claims.email_verified !== true)
    return undefined;
  const byDefault = usernameClaim === 'email' ? '' : `${issuerUrl}#`;
  const prefix = usernamePrefix === '-' ? '' : (usernamePrefix ?? byDefault);
  const groups = groupsClaim ? listOf(claims[groupsClaim]) : [];
  return { name: prefix + username, groups: groups.map((group) => groupsPrefix + group) };
}

function isTimely({ exp, nbf }: Claims, nowMs: number): boolean {
  if (typeof exp !== 'number' || exp * 1000 <= nowMs) return false;
  return nbf === undefined || (typeof nbf === 'number' && nbf * 1000 <= nowMs);
}

/** Claims hold one text or a list of them. */
function listOf(value: unknown): string[] {
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

/** The provider's public keys, fetched when first needed and again when a token names one that is not among them. */
class ProviderKeys {
  readonly #options: OpenIdConnectOptions;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #agent: Agent;
  #keys: readonly Key[] = [];
  #fetchedMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(options: OpenIdConnectOptions, clock: Pick<Clock, 'now'>) {
    this.#options = options;
    this.#clock = clock;
    this.#agent = new Agent({ keepAlive: false, ...(options.ca && { ca: options.ca }) });
  }

  /** @throws when the provider does not answer as it should */
  async find(id: string | undefined): Promise<KeyObject[]> {
    const known = this.#named(id);
    if (known.length > 0 || this.#clock.now() - this.#fetchedMs < refetchMinMs) return known;
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
    return this.#named(id);
  }

  #named(id: string | undefined): KeyObject[] {
    return this.#keys.filter((key) => id === undefined || key.id === id).map(({ key }) => key);
  }

  async #fetch(): Promise<void> {
    this.#fetchedMs = this.#clock.now();
    const { issuerUrl } = this.#options;
    const configuration = await this.#get(`${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`);
    if (configuration.issuer !== issuerUrl)
      throw new Error(`the provider calls itself ${JSON.stringify(configuration.issuer)}`);
    if (typeof configuration.jwks_uri !== 'string' || !configuration.jwks_uri.startsWith('https://'))
      throw new Error('the provider names no https URL of its keys');
    const { keys } = await this.#get(configuration.jwks_uri);
    if (!Array.isArray(keys)) throw new Error('the provider has no list of keys');
    this.#keys = keys.filter(isObject).flatMap(keyOf);
  }

  #get(url: string): Promise<Claims> {
    const signal = AbortSignal.timeout(fetchTimeoutMs);
    return new Promise((resolve, reject) => {
      const request = get(url, { agent: this.#agent, signal }, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > answerBytesMax) request.destroy(new Error(`${url}: the answer is too long`));
          chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode !== 200)
            return reject(new Error(`${url}: answered with ${response.statusCode}`));
          try {
            const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
            if (isObject(value)) resolve(value);
            else reject(new Error(`${url}: no object`));
          } catch (error) {
            reject(new Error(`${url}: no JSON`, { cause: error }));
          }
        });
      });
      request.on('error', reject);
    });
  }
}

/** Keys for other purposes, or of a kind that is not known here, are passed over. */
function keyOf(jwk: Claims): Key[] {
  if (jwk.use !== undefined && jwk.use !== 'sig') return [];
  if (jwk.kty !== 'RSA' && jwk.kty !== 'EC') return [];
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    return [{ id: typeof jwk.kid === 'string' ? jwk.kid : undefined, key }];
  } catch {
    // One broken key must not keep the others from being used.
    return [];
  }
}
