/** PKCS#10 requests as CertificateSigningRequests carry them: read, and refused, as upstream's library does. */
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import {
  checkAnyValue,
  checkBoolean,
  checkInteger,
  contentOf,
  contextSpecific,
  DerError,
  DerReader,
  derKinds,
  isMinimal,
  readBits,
  readOid,
  sequence,
  setKind,
  shortValue,
  syntaxError,
} from '../../base/x509/der.ts';
import { firstPemBlock } from '../../base/x509/pem.ts';

/** Why `pem` is no request that is signed with the key that it is for; undefined when it is one. */
export function signingRequestProblem(pem: Uint8Array): string | undefined {
  const block = firstPemBlock(Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength).toString('latin1'));
  if (block?.type !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST';
  try {
    return signatureProblem(readRequest(block.bytes));
  } catch (error) {
    if (error instanceof DerError) return error.message;
    throw error;
  }
}

interface Algorithm {
  oid: string;
  /** With its head; empty when absent. */
  parameters: Uint8Array;
}

interface PublicKeyInfo {
  algorithm: Algorithm;
  bytes: Uint8Array;
  /** All of it, as it stands in the request. */
  full: Uint8Array;
}

interface Request {
  /** What is signed. */
  signed: Uint8Array;
  key: CheckedKey | undefined;
  algorithm: Algorithm;
  signature: Uint8Array;
}

/** @throws DerError */
function readRequest(der: Uint8Array): Request {
  const whole = new DerReader(der);
  const parts = new DerReader(whole.value(sequence('certificateRequest')).content);
  const signed = parts.value(sequence('tbsCertificateRequest'));
  const facts = new DerReader(signed.content);
  checkInteger(facts.value(derKinds.integer));
  const subject = facts.any();
  const info = readPublicKeyInfo(facts);
  const attributes = facts.value({ tag: 0, class: contextSpecific, isCompound: true });
  const rawAttributes = new DerReader(attributes.content).rest().map(({ full }) => full);
  const algorithm = readAlgorithm(parts);
  const signature = readBits(parts.value(derKinds.bits));
  if (!whole.isAtEnd) throw syntaxError('trailing data');
  const key = checkKey(info);
  checkSubject(subject.full);
  checkExtensions(rawAttributes);
  return { signed: signed.full, key, algorithm, signature };
}

function readAlgorithm(reader: DerReader): Algorithm {
  const parts = new DerReader(reader.value(sequence('AlgorithmIdentifier')).content);
  const oid = readOid(parts.value(derKinds.oid));
  return { oid, parameters: parts.isAtEnd ? new Uint8Array() : parts.any().full };
}

function readPublicKeyInfo(reader: DerReader): PublicKeyInfo {
  const info = reader.value(sequence('publicKeyInfo'));
  const parts = new DerReader(info.content);
  return { algorithm: readAlgorithm(parts), bytes: readBits(parts.value(derKinds.bits)), full: info.full };
}

type KeyType = 'RSA' | 'DSA' | 'ECDSA' | 'Ed25519';

interface CheckedKey {
  type: KeyType;
  info: PublicKeyInfo;
  rsa?: RsaKey;
}

interface RsaKey {
  modulus: bigint;
  exponent: bigint;
}

/** Undefined for keys of other types, with which nothing can be verified. @throws DerError */
function checkKey(info: PublicKeyInfo): CheckedKey | undefined {
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

/** Sets of pairs of a type and any value. @throws DerError */
function checkSubject(full: Uint8Array): void {
  const names = new DerReader(new DerReader(full).value(sequence('RDNSequence')).content);
  for (const { content } of names.rest(setKind('RelativeDistinguishedNameSET')))
    for (const pair of new DerReader(content).rest(sequence('AttributeTypeAndValue'))) {
      const parts = new DerReader(pair.content);
      readOid(parts.value(derKinds.oid));
      checkAnyValue(parts.any());
    }
}

const extensionRequest = '1.2.840.113549.1.9.14';
const alternativeNames = '2.5.29.17';

/** @throws DerError */
function checkExtensions(attributes: readonly Uint8Array[]): void {
  const seen = new Map<string, Uint8Array>();
  for (const attribute of attributes) {
    const requested = extensionsIn(attribute);
    if (!requested) continue;
    for (const { content } of new DerReader(new DerReader(requested).value(sequence()).content).rest(
      sequence('Extension'),
    )) {
      const parts = new DerReader(content);
      const oid = readOid(parts.value(derKinds.oid));
      const critical = parts.optional(derKinds.boolean);
      if (critical) checkBoolean(critical);
      const value = parts.value(derKinds.octets).content;
      if (seen.has(oid))
        throw new DerError('x509: certificate request contains duplicate requested extensions');
      seen.set(oid, value);
    }
  }
  const names = seen.get(alternativeNames);
  if (names) checkAlternativeNames(names);
}

/** The first value of an attribute that asks for extensions; an attribute that cannot be read is none. */
function extensionsIn(attribute: Uint8Array): Uint8Array | undefined {
  try {
    const parts = new DerReader(new DerReader(attribute).value(sequence()).content);
    const oid = readOid(parts.value(derKinds.oid));
    const [first] = new DerReader(parts.value(setKind()).content).rest();
    return oid === extensionRequest ? first?.full : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** Names in ASCII, by the byte of their tag. */
const asciiNames = new Map([
  [0x81, 'rfc822Name'],
  [0x82, 'dNSName'],
  [0x86, 'uniformResourceIdentifier'],
]);
const uriByte = 0x86;
const addressByte = 0x87;

function checkAlternativeNames(der: Uint8Array): void {
  let rest = contentOf(der, sequenceByte)?.content;
  if (!rest) throw new DerError('x509: invalid subject alternative names');
  while (rest.length > 0) {
    const name = shortValue(rest);
    if (!name) throw new DerError('x509: invalid subject alternative name');
    const ascii = asciiNames.get(name.first);
    if (ascii && name.content.some((byte) => byte >= 0x80))
      throw new DerError(`x509: SAN ${ascii} is malformed`);
    if (name.first === uriByte) checkUri(Buffer.from(name.content).toString('latin1'));
    const { length } = name.content;
    if (name.first === addressByte && length !== 4 && length !== 16)
      throw new DerError(`x509: cannot parse IP address of length ${length}`);
    rest = name.rest;
  }
}

function checkUri(uri: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those have no place in a URI
  if (!/[\u0000-\u001f\u007f]/.test(uri)) return;
  const shown = goQuoted(uri);
  throw new DerError(
    `x509: cannot parse URI ${shown}: parse ${shown}: net/url: invalid control character in URL`,
  );
}

const shortEscapes: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** ASCII as Go quotes it. */
function goQuoted(text: string): string {
  const escaped = (character: string) =>
    shortEscapes[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
  return `"${text.replace(/[\u0000-\u001f\u007f"\\]/g, escaped)}"`;
}

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
      (!trailer || Buffer.compare(trailer.content, Buffer.from([integerByte, 1, 1])) === 0);
    return isKnown ? { name: '', keyType: 'RSA', hash: known.hash, isPss: true } : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function hasNoParameters({ parameters }: Algorithm): boolean {
  return parameters.length === 0 || Buffer.compare(parameters, Buffer.from([5, 0])) === 0;
}

const cannotVerify = 'x509: cannot verify signature:';
const goTypes: Partial<Record<KeyType, string>> = {
  RSA: '*rsa.PublicKey',
  ECDSA: '*ecdsa.PublicKey',
  Ed25519: 'ed25519.PublicKey',
};

function signatureProblem({ signed, key, algorithm, signature }: Request): string | undefined {
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

const rsaBitsMin = 1024;

function rsaKeyProblem({ modulus, exponent }: RsaKey): string | undefined {
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
function importKey(full: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(full), format: 'der', type: 'spki' });
  } catch {
    // OpenSSL's reasons are not upstream's: only the outcome counts.
    return undefined;
  }
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
