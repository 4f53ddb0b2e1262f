/** The certificates that Ingresses name, each in a secret. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Ingress, Secret } from '../../../api/resources.gen.ts';
import type { Problems } from './problems.ts';
import { decodeText } from './secret-text.ts';

export interface Certificate {
  /** The key of the secret. */
  key: string;
  hosts: string[];
  /** Certificate chain and private key. */
  pem: string;
}

/** `hosts`: all that the Ingress names for TLS; those without a readable certificate get the default one. */
export function certificatesOf(
  ingress: Ingress,
  secret: (key: string) => Secret | undefined,
  problems: Problems,
): { hosts: Set<string>; certificates: Certificate[] } {
  const hosts = new Set<string>();
  const certificates: Certificate[] = [];
  const ofRules = (ingress.spec?.rules ?? []).map(({ host }) => host ?? '');
  for (const { hosts: named, secretName } of ingress.spec?.tls ?? []) {
    const covered = (named?.length ? named : ofRules).map((host) => host.toLowerCase());
    for (const host of covered) hosts.add(host);
    if (!secretName) continue;
    const key = `${ingress.metadata.namespace}/${secretName}`;
    const read = readCertificate(secret(key));
    if ('pem' in read) {
      certificates.push({ key, hosts: covered.filter(Boolean), pem: read.pem });
      continue;
    }
    const message = `secret "${key}" ${read.problem}; the default certificate is used`;
    problems.add(ingress, 'InvalidCertificate', message);
  }
  return { hosts, certificates };
}

/** Whether chain and key, if present, can be read and belong together. */
function readCertificate(secret: Secret | undefined): { pem: string } | { problem: string } {
  if (!secret) return { problem: 'does not exist' };
  const { 'tls.crt': chain, 'tls.key': key } = secret.data ?? {};
  if (!chain || !key) return { problem: 'has no tls.crt and tls.key' };
  const pem = { chain: decodeText(chain), key: decodeText(key) };
  try {
    if (!new X509Certificate(pem.chain).checkPrivateKey(createPrivateKey(pem.key)))
      return { problem: 'has a key that does not belong to its certificate' };
  } catch {
    // Not OpenSSL's message, but words that users know.
    return { problem: 'has a certificate or key that cannot be read' };
  }
  return { pem: `${pem.chain.trim()}\n${pem.key.trim()}\n` };
}
