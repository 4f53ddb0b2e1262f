/** Signed JSON web tokens (RFC 7519) as service accounts use them: ES256 and RS256 over one or more key pairs. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** A token longer than this is not looked at. */
const tokenCharactersMax = 16_384;

export interface SigningKeys {
  /** PEM; signs new tokens. */
  privateKey: string;
  /** PEM; tokens signed with the private halves of these are good as well (keys before a rotation). */
  formerPublicKeys?: readonly string[];
}

export interface JsonWebKey {
  use: 'sig';
  kty: string;
  kid: string;
  alg: string;
  [parameter: string]: unknown;
}

interface VerificationKey {
  id: string;
  algorithm: 'ES256' | 'RS256';
  key: KeyObject;
}

export class JsonWebTokens {
  readonly #signing: { key: KeyObject; id: string; algorithm: 'ES256' | 'RS256' };
  readonly #verification: readonly VerificationKey[];

  constructor({ privateKey, formerPublicKeys = [] }: SigningKeys) {
    const key = createPrivateKey(privateKey);
    const own = verificationKey(createPublicKey(key));
    this.#signing = { key, id: own.id, algorithm: own.algorithm };
    this.#verification = [own, ...formerPublicKeys.map((pem) => verificationKey(createPublicKey(pem)))];
  }

  sign(claims: object): string {
    const { key, id, algorithm } = this.#signing;
    const content = `${encodePart({ alg: algorithm, kid: id })}.${encodePart(claims)}`;
    const signature = sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' });
    return `${content}.${signature.toString('base64url')}`;
  }

  /** The claims of a token signed by one of the keys; undefined for anything else. Does not check times. */
  verify(token: string): Record<string, unknown> | undefined {
    if (token.length > tokenCharactersMax) return undefined;
    const [header, claims, signature, ...rest] = token.split('.');
    if (!header || !claims || !signature || rest.length > 0) return undefined;
    const { alg, kid } = decodePart(header) ?? {};
    const content = Buffer.from(`${header}.${claims}`);
    const signatureBytes = decodeBytes(signature);
    if (!signatureBytes) return undefined;
    const signedBy = this.#verification.find(
      ({ id, algorithm, key }) =>
        algorithm === alg &&
        (kid === undefined || kid === id) &&
        verify('sha256', content, { key, dsaEncoding: 'ieee-p1363' }, signatureBytes),
    );
    return signedBy && decodePart(claims);
  }

  /** Whether one of the keys is the one by which a token says that it is signed; a token may leave that open. */
  knowsKeyOf(token: string): boolean {
    const { kid } = decodePart(token.slice(0, tokenCharactersMax).split('.', 1)[0]!) ?? {};
    return !kid || this.#verification.some(({ id }) => id === kid);
  }

  /** What a token says of itself, whoever made it. */
  unverifiedClaims(token: string): Record<string, unknown> | undefined {
    const parts = token.length > tokenCharactersMax ? [] : token.split('.');
    return parts.length === 3 ? decodePart(parts[1]!) : undefined;
  }

  /** For `/openid/v1/jwks`. */
  publicKeys(): JsonWebKey[] {
    return this.#verification.map(({ id, algorithm, key }) => ({
      use: 'sig',
      ...(key.export({ format: 'jwk' }) as { kty: string }),
      kid: id,
      alg: algorithm,
    }));
  }

  get algorithms(): string[] {
    return [...new Set(this.#verification.map(({ algorithm }) => algorithm))];
  }
}

/** Upstream's key id: the hash of the public key's DER form. */
function verificationKey(key: KeyObject): VerificationKey {
  const der = key.export({ type: 'spki', format: 'der' });
  return {
    id: createHash('sha256').update(der).digest('base64url'),
    algorithm: key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256',
    key,
  };
}

/**
 * Undefined unless in canonical form: Node ignores characters that are not base64url, and a signature must have only
 * one form.
 */
export function decodeBytes(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

function encodePart(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function decodePart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not JSON: not a token, which is all that the caller asks.
    return undefined;
  }
}
