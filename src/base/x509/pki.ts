/** X.509 for a cluster: its authority, certificates that the authority signs, and keys that sign service-account tokens. */
import 'reflect-metadata';
import { createHash, type webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate and its key, both PEM (the key as PKCS #8). */
export interface CertificatePair {
  cert: string;
  key: string;
}

export interface CertificateSubject {
  /** The user name for clients. */
  commonName: string;
  /** The user's groups for clients. */
  organizations?: readonly string[];
}

export interface LeafOptions extends CertificateSubject {
  usages: readonly ('server' | 'client')[];
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  validityDays?: number;
}

export interface SignRequestOptions {
  usages: readonly ('server' | 'client')[];
  /** What the key may do, by the names of X.509; other names mean nothing here. */
  keyUsages: readonly string[];
  notBefore: Date;
  notAfter: Date;
}

const dayMs = 86_400_000;
const authorityValidityDays = 3650;
const leafValidityDays = 365;
/**
 * Certificates are valid from a day before now: the clocks of two machines never agree exactly, and one that was hours
 * ahead when a cluster was created, by a time zone for instance, may be corrected later.
 */
const backdateMs = dayMs;

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

const usageOids = { server: x509.ExtendedKeyUsage.serverAuth, client: x509.ExtendedKeyUsage.clientAuth };

const keyUsageFlags: Readonly<Record<string, number>> = {
  signing: x509.KeyUsageFlags.digitalSignature,
  'digital signature': x509.KeyUsageFlags.digitalSignature,
  'content commitment': x509.KeyUsageFlags.nonRepudiation,
  'key encipherment': x509.KeyUsageFlags.keyEncipherment,
  'data encipherment': x509.KeyUsageFlags.dataEncipherment,
  'key agreement': x509.KeyUsageFlags.keyAgreement,
  'cert sign': x509.KeyUsageFlags.keyCertSign,
  'crl sign': x509.KeyUsageFlags.cRLSign,
  'encipher only': x509.KeyUsageFlags.encipherOnly,
  'decipher only': x509.KeyUsageFlags.decipherOnly,
};

const leafKeyUsages: readonly string[] = ['digital signature', 'key encipherment'];

/** A new self-signed authority. */
export async function createAuthority(commonName: string, nowMs = Date.now()): Promise<CertificatePair> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerialNumber(),
    name: subjectName({ commonName }),
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + authorityValidityDays * dayMs),
    keys,
    signingAlgorithm: keyAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pemOf(certificate), key: await exportKey(keys.privateKey) };
}

/** A new key and a certificate for it, signed by `authority`. */
export async function issueCertificate(
  authority: CertificatePair,
  options: LeafOptions,
  nowMs = Date.now(),
): Promise<CertificatePair> {
  const keys = await generateKeys();
  const cert = await sign(authority, {
    subject: subjectName(options),
    publicKey: keys.publicKey,
    usages: options.usages,
    alternativeNames: [
      ...(options.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
      ...(options.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ],
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + (options.validityDays ?? leafValidityDays) * dayMs),
  });
  return { cert, key: await exportKey(keys.privateKey) };
}

/** A new key, and a certificate for it with the subject and purpose of `former` (PEM). */
export async function reissueCertificate(
  authority: CertificatePair,
  former: string,
  nowMs = Date.now(),
): Promise<CertificatePair> {
  const certificate = new x509.X509Certificate(former);
  const purposes = certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [];
  const keys = await generateKeys();
  const cert = await sign(authority, {
    subject: certificate.subjectName,
    publicKey: keys.publicKey,
    usages: (['server', 'client'] as const).filter((usage) => purposes.includes(usageOids[usage])),
    alternativeNames: alternativeNamesOf(certificate),
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + leafValidityDays * dayMs),
  });
  return { cert, key: await exportKey(keys.privateKey) };
}

/** A new key and a PEM certificate signing request for it. */
export async function createSigningRequest(
  subject: CertificateSubject,
  names: Pick<LeafOptions, 'dnsNames' | 'ipAddresses'> = {},
): Promise<{ request: string; key: string }> {
  const keys = await generateKeys();
  const alternativeNames = [
    ...(names.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(names.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subjectName(subject),
    keys,
    signingAlgorithm: keyAlgorithm,
    extensions:
      alternativeNames.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternativeNames)] : [],
  });
  return { request: pemOf(request), key: await exportKey(keys.privateKey) };
}

export interface ParsedSigningRequest extends Required<CertificateSubject> {
  dnsNames: string[];
  ipAddresses: string[];
  emailAddresses: string[];
  uris: string[];
}

/** @throws when it is no request, or is not signed by its own key. */
export async function parseSigningRequest(request: string): Promise<ParsedSigningRequest> {
  const parsed = new x509.Pkcs10CertificateRequest(request);
  if (!(await parsed.verify())) throw new Error('the request is not signed by its own key');
  const names = alternativeNamesOf(parsed);
  const valuesOf = (type: string) => names.filter((name) => name.type === type).map((name) => name.value);
  const [commonName = '', ...others] = parsed.subjectName.getField('CN');
  // Readers differ in which of several they take for the name.
  if (others.length > 0) throw new Error('the subject of the request has more than one common name');
  return {
    commonName,
    organizations: parsed.subjectName.getField('O'),
    dnsNames: valuesOf('dns'),
    ipAddresses: valuesOf('ip'),
    emailAddresses: valuesOf('email'),
    uris: valuesOf('url'),
  };
}

/** Signs the request's key under the request's subject and names. The caller has decided that it may be signed. */
export async function signRequest(
  authority: CertificatePair,
  request: string,
  options: SignRequestOptions,
): Promise<string> {
  const parsed = new x509.Pkcs10CertificateRequest(request);
  return await sign(authority, {
    subject: parsed.subjectName,
    publicKey: await parsed.publicKey.export(),
    usages: options.usages,
    keyUsages: options.keyUsages,
    alternativeNames: alternativeNamesOf(parsed),
    notBefore: options.notBefore,
    notAfter: options.notAfter,
  });
}

/** A key pair that signs and checks service-account tokens (ES256); PEM. */
export async function createTokenKeyPair(): Promise<{ publicKey: string; privateKey: string }> {
  const keys = await generateKeys();
  const spki = await crypto.subtle.exportKey('spki', keys.publicKey);
  return {
    publicKey: x509.PemConverter.encode(spki, 'PUBLIC KEY'),
    privateKey: await exportKey(keys.privateKey),
  };
}

/** `sha256:<hex>` of an authority's public key: what a joining agent checks the authority by. */
export function authorityPin(cert: string): string {
  const spki = new x509.X509Certificate(cert).publicKey.rawData;
  return `sha256:${createHash('sha256').update(Buffer.from(spki)).digest('hex')}`;
}

async function sign(
  authority: CertificatePair,
  leaf: {
    /** One that was read is passed on as it is: as text, a value that begins with `#` would come to mean another. */
    subject: x509.JsonName | x509.Name;
    publicKey: webcrypto.CryptoKey;
    usages: readonly ('server' | 'client')[];
    keyUsages?: readonly string[];
    alternativeNames: x509.JsonGeneralNames;
    notBefore: Date;
    notAfter: Date;
  },
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.cert);
  const keyUsage = flagsOf(leaf.keyUsages ?? leafKeyUsages);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerialNumber(),
    subject: leaf.subject,
    issuer: issuer.subjectName,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    publicKey: leaf.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: keyAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      // An extension that names no usage would forbid all of them.
      ...(keyUsage === 0 ? [] : [new x509.KeyUsagesExtension(keyUsage, true)]),
      ...(leaf.usages.length === 0
        ? []
        : [new x509.ExtendedKeyUsageExtension(leaf.usages.map((usage) => usageOids[usage]))]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(leaf.alternativeNames.length > 0
        ? [new x509.SubjectAlternativeNameExtension(leaf.alternativeNames)]
        : []),
    ],
  });
  return pemOf(certificate);
}

/** A whole line at its end too: people put such files one after another. */
function pemOf(data: { toString(format: 'pem'): string }): string {
  return `${data.toString('pem')}\n`;
}

function flagsOf(keyUsages: readonly string[]): number {
  return keyUsages.reduce((flags, usage) => flags | (keyUsageFlags[usage] ?? 0), 0);
}

const alternativeNameOid = '2.5.29.17';

function alternativeNamesOf(of: x509.Pkcs10CertificateRequest | x509.X509Certificate): x509.JsonGeneralNames {
  const extension = of.getExtension(alternativeNameOid);
  return extension ? new x509.SubjectAlternativeNameExtension(extension.rawData).names.toJSON() : [];
}

function subjectName({ commonName, organizations = [] }: CertificateSubject): x509.JsonName {
  return [...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }];
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(keyAlgorithm, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const text = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
  return `${text}\n`;
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  return await crypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), keyAlgorithm, false, [
    'sign',
  ]);
}

/** Positive and 127 bits long: some readers take a first byte over 0x7f for a minus sign. */
function randomSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
