/** The public key that a request is for: read, and refused, as upstream's library does. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  contentOf,
  DerError,
  DerReader,
  derKinds,
  isMinimal,
  readBits,
  readOid,
  sequence,
} from '../../../base/x509/der.ts';
import { type Algorithm, readAlgorithm } from './algorithm.ts';

export interface PublicKeyInfo {
  algorithm: Algorithm;
  bytes: Uint8Array;
  /** All of it, as it stands in the request. */
  full: Uint8Array;
}

/** @throws DerError */
export function readPublicKeyInfo(reader: DerReader): PublicKeyInfo {
  const info = reader.value(sequence('publicKeyInfo'));
  const parts = new DerReader(info.content);
  return { algorithm: readAlgorithm(parts), bytes: readBits(parts.value(derKinds.bits)), full: info.full };
}

export type KeyType = 'RSA' | 'DSA' | 'ECDSA' | 'Ed25519';

export interface CheckedKey {
  type: KeyType;
  info: PublicKeyInfo;
  rsa?: RsaKey;
}

export interface RsaKey {
  modulus: bigint;
  exponent: bigint;
}

/** Undefined for keys of other types, with which nothing can be verified. @throws DerError */
export function checkKey(info: PublicKeyInfo): CheckedKey | undefined {
  switch (info.algorithm.oid) {
    case '1.2.840.113549.1.1.1':
      return { type: 'RSA', info, rsa: readRsaKey(info) };
    case '1.2.840.10045.2.1':
      checkCurvePoint(info);
      return { type: 'ECDSA', info };
    case '1.3.101.112':
      if (info.algorithm.parameters.length > 0)
        throw new DerError('x509: Ed25519 key encoded with illegal parameters');
      if (info.bytes.length !== 32) throw new DerError('x509: wrong Ed25519 public key size');
      return { type: 'Ed25519', info };
    case '1.2.840.10040.4.1':
      checkDsaKey(info);
      return { type: 'DSA', info };
    default:
      return undefined;
  }
}

const sequenceByte = 0x30;
const integerByte = 0x02;
const oidByte = 0x06;

/** A whole number of any length, and what follows it; undefined when there is none. */
function readBigInteger(bytes: Uint8Array): { value: bigint; rest: Uint8Array } | undefined {
  const read = contentOf(bytes, integerByte);
  if (!read || !isMinimal(read.content)) return undefined;
  const { content, rest } = read;
  const value = BigInt(`0x${Buffer.from(content).toString('hex')}`);
  return { value: BigInt.asIntN(content.length * 8, value), rest };
}

const exponentMax = 2n ** 63n - 1n;

function readRsaKey({ algorithm: { parameters }, bytes }: PublicKeyInfo): RsaKey {
  if (Buffer.compare(parameters, Buffer.from([5, 0])) !== 0)
    throw new DerError('x509: RSA key missing NULL parameters');
  const numbers = contentOf(bytes, sequenceByte)?.content;
  if (!numbers) throw new DerError('x509: invalid RSA public key');
  const modulus = readBigInteger(numbers);
  if (!modulus) throw new DerError('x509: invalid RSA modulus');
  const exponent = readBigInteger(modulus.rest);
  if (!exponent || exponent.value > exponentMax || exponent.value < -exponentMax - 1n)
    throw new DerError('x509: invalid RSA public exponent');
  if (modulus.value <= 0n) throw new DerError('x509: RSA modulus is not a positive number');
  if (exponent.value <= 0n) throw new DerError('x509: RSA public exponent is not a positive number');
  return { modulus: modulus.value, exponent: exponent.value };
}

interface Curve {
  name: string;
  sizeBytes: number;
  prime: bigint;
}

const curves = new Map<string, Curve>([
  ['1.3.132.0.33', { name: 'P224', sizeBytes: 28, prime: 2n ** 224n - 2n ** 96n + 1n }],
  [
    '1.2.840.10045.3.1.7',
    { name: 'P256', sizeBytes: 32, prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n },
  ],
  [
    '1.3.132.0.34',
    { name: 'P384', sizeBytes: 48, prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n },
  ],
  ['1.3.132.0.35', { name: 'P521', sizeBytes: 66, prime: 2n ** 521n - 1n }],
]);

const uncompressed = 4;

function checkCurvePoint({ algorithm: { parameters }, bytes, full }: PublicKeyInfo): void {
  const curve = curves.get(namedCurve(parameters));
  if (!curve) throw new DerError('x509: unsupported elliptic curve');
  const { name, sizeBytes, prime } = curve;
  if (bytes[0] !== uncompressed) throw new DerError('ecdsa: invalid uncompressed public key');
  if (bytes.length !== 1 + 2 * sizeBytes) throw new DerError(`invalid ${name} point encoding`);
  for (const from of [1, 1 + sizeBytes]) {
    const coordinate = Buffer.from(bytes.subarray(from, from + sizeBytes)).toString('hex');
    if (BigInt(`0x${coordinate}`) >= prime) throw new DerError(`invalid ${name}Element encoding`);
  }
  if (!importKey(full)) throw new DerError(`${name} point not on curve`);
}

function namedCurve(parameters: Uint8Array): string {
  const read = contentOf(parameters, oidByte);
  if (!read) throw new DerError('x509: invalid ECDSA parameters');
  try {
    return readOid(new DerReader(parameters).any());
  } catch (error) {
    if (error instanceof DerError) throw new DerError('x509: invalid ECDSA parameters');
    throw error;
  }
}

function checkDsaKey({ algorithm: { parameters }, bytes }: PublicKeyInfo): void {
  const y = readBigInteger(bytes);
  if (!y) throw new DerError('x509: invalid DSA public key');
  let rest = contentOf(parameters, sequenceByte)?.content;
  const numbers = [y.value];
  for (let count = 0; count < 3; count++) {
    const read = rest && readBigInteger(rest);
    if (!read) throw new DerError('x509: invalid DSA parameters');
    numbers.push(read.value);
    rest = read.rest;
  }
  if (numbers.some((number) => number <= 0n)) throw new DerError('x509: zero or negative DSA parameter');
}

const rsaBitsMin = 1024;

/** Why the key is not to be trusted, although it can be read. */
export function rsaKeyProblem({ modulus, exponent }: RsaKey): string | undefined {
  const bits = modulus.toString(2).length;
  if (bits < rsaBitsMin)
    return `crypto/rsa: ${bits}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)`;
  if (modulus % 2n === 0n) return 'crypto/rsa: public modulus is even';
  if (exponent < 2n) return 'crypto/rsa: public exponent too small or negative';
  if (exponent % 2n === 0n) return 'crypto/rsa: public exponent is even';
  if (exponent > 2n ** 31n - 1n) return 'crypto/rsa: public exponent too large';
  return undefined;
}

/** Undefined when the point is on no curve, or the number is no modulus. */
export function importKey(full: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(full), format: 'der', type: 'spki' });
  } catch {
    // OpenSSL's reasons are not upstream's: only the outcome counts.
    return undefined;
  }
}
