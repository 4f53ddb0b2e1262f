/**
 * A claim that a token does not carry itself, but says where it is to be had (OpenID Connect Core 1.0, section 5.6.2): some
 * providers do so with the groups of people who are in very many.
 */

import { Agent } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { isJsonObject } from '../../base/json-object.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { type Claims, ClaimsError, parseToken, TokenError, verifyIdToken } from './id-token.ts';
import { fetchFromProvider, ProviderKeys } from './provider-keys.ts';

export interface DistributedClaimOptions {
  /** As of tokens themselves. */
  audiences: readonly string[];
  signingAlgorithms: readonly string[];
  /** PEM; the machine's own CAs unless set. */
  ca?: string | undefined;
}

/** Issuers of the tokens that come from such places: there are few. */
const issuersMax = 16;

interface Source {
  endpoint: string;
  accessToken: string;
}

export class DistributedClaim {
  readonly #claim: string;
  readonly #options: DistributedClaimOptions;
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly #agent: Agent;
  readonly #keys = new Map<string, ProviderKeys>();

  constructor(claim: string, options: DistributedClaimOptions, clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#claim = claim;
    this.#options = options;
    this.#clock = clock;
    this.#agent = new Agent({ keepAlive: false, ...(options.ca && { ca: options.ca }) });
  }

  /** The claims of a genuine token, with this one if it is elsewhere. @throws ClaimsError in upstream's words */
  async expand(claims: Claims): Promise<Claims> {
    if (Object.hasOwn(claims, this.#claim) || !Object.hasOwn(claims, '_claim_names')) return claims;
    try {
      const source = sourceOf(this.#claim, claims);
      // Without an endpoint the source holds its claims itself, which upstream does not read.
      if (!source?.endpoint) return claims;
      return { ...claims, [this.#claim]: await this.#resolve(source) };
    } catch (error) {
      const why = `oidc: could not expand distributed claims: ${messageOf(error)}`;
      throw new ClaimsError(why, { cause: error });
    }
  }

  async #resolve({ endpoint, accessToken }: Source): Promise<unknown> {
    const token = await this.#fetch(endpoint, accessToken);
    const parsed = parseToken(token);
    const { iss } = parsed?.claims ?? {};
    if (!parsed || typeof iss !== 'string')
      throw new ClaimsError(
        `getting untrusted issuer from endpoint ${endpoint} failed for claim ${JSON.stringify(this.#claim)}: malformed token`,
      );
    const { audiences, signingAlgorithms } = this.#options;
    try {
      const options = { audiences, signingAlgorithms, nowMs: this.#clock.now() };
      await verifyIdToken(parsed, this.#keysOf(iss), options);
    } catch (cause) {
      const why =
        cause instanceof TokenError
          ? `verify distributed claim token: ${cause.message}`
          : `verifying untrusted issuer ${iss} failed: verifier not initialized for issuer: ${JSON.stringify(iss)}`;
      throw new ClaimsError(why, { cause });
    }
    if (!Object.hasOwn(parsed.claims, this.#claim))
      throw new ClaimsError(
        `jwt returned by distributed claim endpoint ${JSON.stringify(endpoint)} did not contain claim: ${this.#claim}`,
      );
    return parsed.claims[this.#claim];
  }

  async #fetch(endpoint: string, accessToken: string): Promise<string> {
    try {
      const headers: Record<string, string> =
        accessToken === '' ? {} : { authorization: `Bearer ${accessToken}` };
      const { status, statusText, text } = await fetchFromProvider(endpoint, { agent: this.#agent, headers });
      if (status < 200 || status > 226)
        throw new Error(`error while getting distributed claim JWT: ${statusText}`);
      return text;
    } catch (cause) {
      const why = `while getting distributed claim ${JSON.stringify(this.#claim)}: ${messageOf(cause)}`;
      throw new ClaimsError(why, { cause });
    }
  }

  #keysOf(issuerUrl: string): ProviderKeys {
    let keys = this.#keys.get(issuerUrl);
    if (!keys) {
      if (this.#keys.size >= issuersMax) this.#keys.clear();
      keys = new ProviderKeys({ issuerUrl, ca: this.#options.ca }, this.#clock);
      this.#keys.set(issuerUrl, keys);
    }
    return keys;
  }
}

/** Undefined when the claims do not say where this one is. @throws ClaimsError */
function sourceOf(claim: string, claims: Claims): Source | undefined {
  const { _claim_names: names, _claim_sources: sources } = claims;
  if (!isJsonObject(names) || !Object.values(names).every((name) => typeof name === 'string'))
    throw new ClaimsError('oidc: error parsing distributed claim names: not an object of texts');
  if (sources === undefined) throw new ClaimsError('oidc: no claim sources');
  if (!isJsonObject(sources) || !Object.values(sources).every(isSource))
    throw new ClaimsError('oidc: could not parse claim sources: not an object of endpoints');
  if (!Object.hasOwn(names, claim)) return undefined;
  const name = names[claim] as string;
  if (!Object.hasOwn(sources, name))
    throw new ClaimsError(`id token _claim_names contained a source ${name} missing in _claims_sources`);
  const { endpoint = '', access_token: accessToken = '' } = sources[name] as Record<string, string>;
  return { endpoint, accessToken };
}

function isSource(value: unknown): boolean {
  const isText = (text: unknown) => text === undefined || typeof text === 'string';
  return isJsonObject(value) && isText(value.endpoint) && isText(value.access_token);
}
