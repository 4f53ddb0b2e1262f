/**
 * A cluster's keys and certificates on disk. Existing ones are kept; those that are missing, about to expire or made
 * for other names are issued. The X.509 library is loaded only for that: it takes a tenth of a second.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mastersGroup, nodesGroup } from '../../api/well-known.ts';
import { isMissing } from '../../base/system/if-missing.ts';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { CertificatePair, LeafOptions } from '../../base/x509/pki.ts';
import { ensureEncryptionKeys } from './encryption-keys.ts';
import { checkKeptKeys, type StoreState } from './kept-keys.ts';
import { pkiFiles } from './pki-files.ts';

/** A certificate is renewed when it is valid for less than this. */
const renewBeforeMs = 30 * 86_400_000;

export interface ClusterPkiNames {
  /** Addresses at which clients reach the API server, besides loopback. */
  addresses: readonly string[];
  dnsNames: readonly string[];
  /** Address of the service `kubernetes`. */
  serviceAddress: string;
}

const serverDnsNames = [
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];

/**
 * What all servers of a cluster have in common: its authorities, and the keys for tokens and for secrets.
 * @throws Failure when one of them is lost or damaged; none is replaced that a store depends on
 */
export async function ensureSharedPki(
  folder: string,
  store: StoreState,
): Promise<{ authority: CertificatePair; frontProxy: CertificatePair }> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkKeptKeys(folder, store);
  ensureEncryptionKeys(folder);
  const authority = await ensureAuthority(folder, pkiFiles.authority, 'wherry-ca');
  const frontProxy = await ensureAuthority(folder, pkiFiles.frontProxyAuthority, 'wherry-front-proxy-ca');
  if (!existsSync(join(folder, `${pkiFiles.tokenKey}.key`))) {
    const { createTokenKeyPair } = await import('../../base/x509/pki.ts');
    const { publicKey, privateKey } = await createTokenKeyPair();
    writeSecret(join(folder, `${pkiFiles.tokenKey}.pub`), publicKey);
    writeSecret(join(folder, `${pkiFiles.tokenKey}.key`), privateKey);
  }
  return { authority, frontProxy };
}

/** `store`: whether what the keys protect is there already. */
export async function ensureClusterPki(
  folder: string,
  names: ClusterPkiNames,
  store: StoreState,
): Promise<void> {
  const { authority, frontProxy } = await ensureSharedPki(folder, store);
  await ensureLeaf(folder, pkiFiles.server, authority, {
    commonName: 'kube-apiserver',
    usages: ['server'],
    dnsNames: [...serverDnsNames, ...names.dnsNames],
    ipAddresses: ['127.0.0.1', '::1', names.serviceAddress, ...names.addresses],
  });
  await ensureLeaf(folder, pkiFiles.kubeletClient, authority, {
    commonName: 'kube-apiserver-kubelet-client',
    organizations: [mastersGroup],
    usages: ['client'],
  });
  await ensureLeaf(folder, pkiFiles.frontProxyClient, frontProxy, {
    commonName: 'front-proxy-client',
    usages: ['client'],
  });
  await ensureLeaf(folder, pkiFiles.admin, authority, {
    commonName: 'kubernetes-admin',
    organizations: [mastersGroup],
    usages: ['client'],
  });
}

/** Issues one of the cluster's certificates again, by the authority whose key is in the same folder. */
export async function reissueLeaf(
  folder: string,
  name: string,
  options: { authority: string; nowMs: number },
): Promise<CertificatePair> {
  const { reissueCertificate } = await import('../../base/x509/pki.ts');
  const former = readPair(folder, name).cert;
  const pair = await reissueCertificate(readPair(folder, options.authority), former, options.nowMs);
  writePair(folder, name, pair);
  return pair;
}

/** What a node shows: to the API server as itself, and to those who call its agent. */
export async function ensureNodePki(
  folder: string,
  authorityFolder: string,
  node: { name: string; address: string },
): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = readPair(authorityFolder, pkiFiles.authority);
  replaceFile(join(folder, 'ca.crt'), authority.cert);
  await ensureLeaf(folder, 'kubelet-client', authority, {
    commonName: `system:node:${node.name}`,
    organizations: [nodesGroup],
    usages: ['client'],
  });
  await ensureLeaf(folder, 'kubelet-server', authority, {
    commonName: `system:node:${node.name}`,
    organizations: [nodesGroup],
    usages: ['server'],
    dnsNames: [node.name],
    ipAddresses: [node.address],
  });
}

export function readPair(folder: string, name: string): CertificatePair {
  return {
    cert: readFileSync(join(folder, `${name}.crt`), 'utf8'),
    key: readFileSync(join(folder, `${name}.key`), 'utf8'),
  };
}

/** The one without the other: a crash between their writes, before there was a store. */
const hasPair = (folder: string, name: string) =>
  ['key', 'crt'].every((suffix) => existsSync(join(folder, `${name}.${suffix}`)));

async function ensureAuthority(folder: string, name: string, commonName: string): Promise<CertificatePair> {
  if (hasPair(folder, name)) return readPair(folder, name);
  const { createAuthority } = await import('../../base/x509/pki.ts');
  const pair = await createAuthority(commonName);
  writePair(folder, name, pair);
  return pair;
}

async function ensureLeaf(
  folder: string,
  name: string,
  authority: CertificatePair,
  options: LeafOptions,
): Promise<void> {
  if (isGood(folder, name, authority, options)) return;
  const { issueCertificate } = await import('../../base/x509/pki.ts');
  writePair(folder, name, await issueCertificate(authority, options));
}

function isGood(folder: string, name: string, authority: CertificatePair, options: LeafOptions): boolean {
  const cert = usableCertificate(folder, name);
  if (!cert) return false;
  const names = new Set((cert.subjectAltName ?? '').split(', '));
  const dnsNames = (options.dnsNames ?? []).map((name) => `DNS:${name}`);
  const addresses = (options.ipAddresses ?? []).filter((address) => !address.includes(':'));
  return (
    cert.validToDate.getTime() - Date.now() > renewBeforeMs &&
    cert.verify(new X509Certificate(authority.cert).publicKey) &&
    [...dnsNames, ...addresses.map((address) => `IP Address:${address}`)].every((name) => names.has(name))
  );
}

/**
 * A pair's certificate, if the pair is whole: a crash while both were replaced may have left the key of another
 * certificate, and what a full disk or a power cut has left may be none at all.
 */
export function usableCertificate(folder: string, name: string): X509Certificate | undefined {
  try {
    const { cert, key } = readPair(folder, name);
    const certificate = new X509Certificate(cert);
    return certificate.checkPrivateKey(createPrivateKey(key)) ? certificate : undefined;
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code?.startsWith('ERR_OSSL')) return undefined;
    throw error;
  }
}

/** The key is written first: an existing certificate always has its key. */
export function writePair(folder: string, name: string, pair: CertificatePair): void {
  writeSecret(join(folder, `${name}.key`), pair.key);
  writeSecret(join(folder, `${name}.crt`), pair.cert);
}

function writeSecret(file: string, content: string): void {
  replaceFile(file, content, 0o600);
}
