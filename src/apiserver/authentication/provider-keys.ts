/** The public keys of an OpenID Connect provider, as its discovery document leads to them. */

import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Agent, get } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';

export interface ProviderKeysOptions {
  /** An https URL; what the discovery document must call itself. */
  issuerUrl: string;
  /** Where the discovery document is, when not at the issuer's usual place. */
  discoveryUrl?: string | undefined;
  /** PEM; the machine's own CAs unless set. */
  ca?: string | undefined;
}

interface Key {
  id: string | undefined;
  key: KeyObject;
}

const answerBytesMax = 1024 * 1024;
const fetchTimeoutMs = 10_000;
/** An unknown key may be a new one; asking the provider for it is no lever for strangers. */
const refetchMinMs = 10_000;

/** Fetched when first needed and again when a token names one that is not among them. */
export class ProviderKeys {
  readonly #options: ProviderKeysOptions;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #agent: Agent;
  #keys: readonly Key[] = [];
  #fetchedMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(options: ProviderKeysOptions, clock: Pick<Clock, 'monotonic'>) {
    this.#options = options;
    this.#clock = clock;
    this.#agent = new Agent({ keepAlive: false, ...(options.ca && { ca: options.ca }) });
  }

  /** @throws when the provider does not answer as it should */
  async find(id: string | undefined): Promise<KeyObject[]> {
    const known = this.#named(id);
    if (known.length > 0 || this.#clock.monotonic() - this.#fetchedMs < refetchMinMs) return known;
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
    this.#fetchedMs = this.#clock.monotonic();
    const { issuerUrl, discoveryUrl } = this.#options;
    const usual = `${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const configuration = await this.#get(discoveryUrl ?? usual);
    if (configuration.issuer !== issuerUrl)
      throw new Error(`the provider calls itself ${JSON.stringify(configuration.issuer)}`);
    if (typeof configuration.jwks_uri !== 'string' || !configuration.jwks_uri.startsWith('https://'))
      throw new Error('the provider names no https URL of its keys');
    const { keys } = await this.#get(configuration.jwks_uri);
    if (!Array.isArray(keys)) throw new Error('the provider has no list of keys');
    this.#keys = keys.filter(isJsonObject).flatMap(keyOf);
  }

  async #get(url: string): Promise<JsonObject> {
    const { status, text } = await fetchFromProvider(url, { agent: this.#agent });
    if (status !== 200) throw new Error(`${url}: answered with ${status}`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new Error(`${url}: no JSON`, { cause: error });
    }
    if (!isJsonObject(value)) throw new Error(`${url}: no object`);
    return value;
  }
}

export interface ProviderAnswer {
  status: number;
  /** `404 Not Found` */
  statusText: string;
  text: string;
}

/** Of an https URL, within a time and up to a length. @throws the error of the connection */
export function fetchFromProvider(
  url: string,
  { agent, headers = {} }: { agent: Agent; headers?: Record<string, string> },
): Promise<ProviderAnswer> {
  const signal = AbortSignal.timeout(fetchTimeoutMs);
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers, signal }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > answerBytesMax) request.destroy(new Error(`${url}: the answer is too long`));
        chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, statusMessage = '' } = response;
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status, statusText: `${status} ${statusMessage}`.trim(), text });
      });
    });
    request.on('error', reject);
  });
}

/** Keys for other purposes, or of an unknown kind, are ignored. */
function keyOf(jwk: JsonObject): Key[] {
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
