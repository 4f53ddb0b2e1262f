/** The signature of a request, by the key that it is for. */
import { constants, type KeyObject, verify } from 'node:crypto';
import { contextSpecific, DerError, DerReader, derKinds, sequence } from '../../../base/x509/der.ts';
import { type Algorithm, readAlgorithm } from './algorithm.ts';
import { type CheckedKey, importKey, type KeyType, rsaKeyProblem } from './public-key.ts';

interface SignatureAlgorithm {
  name: string;
  keyType: KeyType;
  /** Absent where what is signed is not hashed first. */
  hash?: 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';
  isPss?: boolean;
}

const signatureAlgorithms = new Map<string, SignatureAlgorithm>([
  ['1.2.840.113549.1.1.4', { name: 'MD5-RSA', keyType: 'RSA', hash: 'md5' }],
  ['1.2.840.113549.1.1.5', { name: 'SHA1-RSA', keyType: 'RSA', hash: 'sha1' }],
  ['1.3.14.3.2.29', { name: 'SHA1-RSA', keyType: 'RSA', hash: 'sha1' }],
  ['1.2.840.113549.1.1.11', { name: 'SHA256-RSA', keyType: 'RSA', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { name: 'SHA384-RSA', keyType: 'RSA', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { name: 'SHA512-RSA', keyType: 'RSA', hash: 'sha512' }],
  ['1.2.840.10040.4.3', { name: 'DSA-SHA1', keyType: 'DSA', hash: 'sha1' }],
  ['2.16.840.1.101.3.4.3.2', { name: 'DSA-SHA256', keyType: 'DSA', hash: 'sha256' }],
  ['1.2.840.10045.4.1', { name: 'ECDSA-SHA1', keyType: 'ECDSA', hash: 'sha1' }],
  ['1.2.840.10045.4.3.2', { name: 'ECDSA-SHA256', keyType: 'ECDSA', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { name: 'ECDSA-SHA384', keyType: 'ECDSA', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { name: 'ECDSA-SHA512', keyType: 'ECDSA', hash: 'sha512' }],
  ['1.3.101.112', { name: 'Ed25519', keyType: 'Ed25519' }],
]);

const pssOid = '1.2.840.113549.1.1.10';

/** Of the many forms of RSA-PSS, those that upstream knows: one hash for all, and a salt of its length. */
const pssHashes = new Map<string, { hash: 'sha256' | 'sha384' | 'sha512'; saltBytes: number }>([
  ['2.16.840.1.101.3.4.2.1', { hash: 'sha256', saltBytes: 32 }],
  ['2.16.840.1.101.3.4.2.2', { hash: 'sha384', saltBytes: 48 }],
  ['2.16.840.1.101.3.4.2.3', { hash: 'sha512', saltBytes: 64 }],
]);

function signatureAlgorithmOf(algorithm: Algorithm): SignatureAlgorithm | undefined {
  const { oid, parameters } = algorithm;
  if (oid === pssOid) return pssAlgorithm(parameters);
  const found = signatureAlgorithms.get(oid);
  return found?.keyType === 'Ed25519' && parameters.length > 0 ? undefined : found;
}

/** The integer 1, in DER. */
const usualTrailer = Buffer.from([2, 1, 1]);

function pssAlgorithm(parameters: Uint8Array): SignatureAlgorithm | undefined {
  try {
    const parts = new DerReader(new DerReader(parameters).value(sequence()).content);
    const explicit = (tag: number) =>
      new DerReader(parts.value({ tag, class: contextSpecific, isCompound: true }).content);
    const digest = readAlgorithm(explicit(0));
    const mask = readAlgorithm(explicit(1));
    const salt = explicit(2).value(derKinds.integer).content;
    const trailer = parts.optional({ tag: 3, class: contextSpecific, isCompound: true });
    const maskDigest = readAlgorithm(new DerReader(mask.parameters));
    const known = pssHashes.get(digest.oid);
    const isKnown =
      known !== undefined &&
      hasNoParameters(digest) &&
      mask.oid === '1.2.840.113549.1.1.8' &&
      maskDigest.oid === digest.oid &&
      hasNoParameters(maskDigest) &&
      salt.length === 1 &&
      salt[0] === known.saltBytes &&
      (!trailer || Buffer.compare(trailer.content, usualTrailer) === 0);
    return isKnown ? { name: '', keyType: 'RSA', hash: known.hash, isPss: true } : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function hasNoParameters({ parameters }: Algorithm): boolean {
  return parameters.length === 0 || Buffer.compare(parameters, Buffer.from([5, 0])) === 0;
}

export interface SignedWithKey {
  /** What is signed. */
  signed: Uint8Array;
  /** Undefined: of a type with which nothing can be verified. */
  key: CheckedKey | undefined;
  algorithm: Algorithm;
  signature: Uint8Array;
}

const cannotVerify = 'x509: cannot verify signature:';
const goTypes: Partial<Record<KeyType, string>> = {
  RSA: '*rsa.PublicKey',
  ECDSA: '*ecdsa.PublicKey',
  Ed25519: 'ed25519.PublicKey',
};

/** Why the signature does not prove that whoever asks has the key; undefined when it does. */
export function signatureProblem({ signed, key, algorithm, signature }: SignedWithKey): string | undefined {
  const known = signatureAlgorithmOf(algorithm);
  const type = key && goTypes[key.type];
  if (known?.hash === 'md5') return `${cannotVerify} insecure algorithm ${known.name}`;
  if (!known || !key || !type) return `${cannotVerify} algorithm unimplemented`;
  if (known.keyType !== key.type)
    return `x509: signature algorithm specifies an ${known.keyType} public key, but have public key of type ${type}`;
  const weakness = key.rsa && rsaKeyProblem(key.rsa);
  if (weakness) return weakness;
  const imported = importKey(key.info.full);
  if (imported && isSigned(imported, { signed, signature, algorithm: known })) return undefined;
  return key.type === 'RSA' ? 'crypto/rsa: verification error' : `x509: ${key.type} verification failure`;
}

interface SignedBytes {
  signed: Uint8Array;
  signature: Uint8Array;
  algorithm: SignatureAlgorithm;
}

function isSigned(key: KeyObject, { signed, signature, algorithm }: SignedBytes): boolean {
  const padding = algorithm.isPss
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
  try {
    return verify(algorithm.hash ?? null, signed, { key, ...padding }, signature);
  } catch {
    // A key that OpenSSL finds unusable has signed nothing.
    return false;
  }
}
