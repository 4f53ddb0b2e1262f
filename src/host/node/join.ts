/**
 * How a machine joins a cluster elsewhere as a node: it verifies the authority by its pin, and requests a certificate.
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { nodesGroup } from '../../api/well-known.ts';
import { systemClock } from '../../base/clock.ts';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { httpTransport } from '../../client/transport/http-transport.ts';
import { Failure } from '../failure.ts';
import { usableCertificate, writePair } from '../keys/cluster-pki.ts';

/** `sha256:<hex>::<id>.<secret>`: the pin of the authority, and a bootstrap token. */
export interface JoinToken {
  pin: string;
  token: string;
}

const tokenPattern = /^(sha256:[0-9a-f]{64})::([a-z0-9]{6}\.[a-z0-9]{16})$/;
const connectTimeoutMs = 10_000;
const signedWithinMs = 60_000;
const pollMs = 100;
const renewBeforeMs = 60 * 86_400_000;

export function parseJoinToken(text: string): JoinToken {
  const [, pin, token] = tokenPattern.exec(text) ?? [];
  if (!pin || !token)
    throw new Failure('the token is malformed', {
      advice: 'copy the whole token that "wherry server" prints',
    });
  return { pin, token };
}

export const formatJoinToken = ({ pin, token }: JoinToken) => `${pin}::${token}`;

/** Makes ca.crt and the pair kubelet-client in `folder`, unless they are there and good for long enough. */
export async function ensureNodeIdentity(options: {
  folder: string;
  servers: readonly string[];
  token: JoinToken;
  nodeName: string;
}): Promise<void> {
  const { folder, nodeName } = options;
  if (isGood(folder, 'kubelet-client')) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { server, ca } = await findServer(options.servers, options.token.pin);
  replaceFile(join(folder, 'ca.crt'), ca);
  const transport = httpTransport({ server, ca, token: options.token.token, userAgent: 'wherry-agent' });
  try {
    await requestCertificate(createClient(transport), {
      folder,
      name: 'kubelet-client',
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usage: 'client auth',
      nodeName,
    });
  } finally {
    transport.close();
  }
}

/** The first server that answers, if it has the pinned authority. */
async function findServer(servers: readonly string[], pin: string): Promise<{ server: string; ca: string }> {
  for (const [index, server] of servers.entries()) {
    try {
      return { server, ca: await fetchAuthority(server, pin) };
    } catch (error) {
      if (!(error instanceof NoAnswer) || index === servers.length - 1) throw error;
    }
  }
  throw new Failure('no server was named');
}

/** A server that cannot be reached, as opposed to one that is not to be trusted. */
class NoAnswer extends Failure {}

/** Asks for a certificate of the node, waits until it is signed, and writes it with its key. */
export async function requestCertificate(
  client: Client,
  options: {
    folder: string;
    name: string;
    signerName: string;
    usage: 'client auth' | 'server auth';
    nodeName: string;
    ipAddresses?: readonly string[];
  },
): Promise<void> {
  const { createSigningRequest } = await import('../../base/x509/pki.ts');
  const isServer = options.usage === 'server auth';
  const { request, key } = await createSigningRequest(
    { commonName: `system:node:${options.nodeName}`, organizations: [nodesGroup] },
    isServer ? { dnsNames: [options.nodeName], ipAddresses: options.ipAddresses ?? [] } : {},
  );
  const created = await client.create(CertificateSigningRequest, {
    metadata: { generateName: isServer ? 'node-serving-' : 'node-csr-' },
    spec: {
      request: Buffer.from(request).toString('base64'),
      signerName: options.signerName,
      usages: ['digital signature', options.usage],
    },
  });
  const deadline = performance.now() + signedWithinMs;
  for (;;) {
    const { status } = await client.get(CertificateSigningRequest, { name: created.metadata.name });
    if (status?.certificate) {
      writePair(options.folder, options.name, {
        cert: Buffer.from(status.certificate, 'base64').toString(),
        key,
      });
      return;
    }
    if (performance.now() > deadline)
      throw new Failure(`nobody has signed ${created.metadata.name}`, {
        advice: `see: kubectl describe csr ${created.metadata.name}`,
      });
    await systemClock.sleep(pollMs);
  }
}

/** Whether `folder` has the pair, for long enough to start with. */
export function isGood(folder: string, name: string): boolean {
  const certificate = usableCertificate(folder, name);
  return certificate !== undefined && certificate.validToDate.getTime() - Date.now() > renewBeforeMs;
}

/** The authority that the server shows, if it is the pinned one. Until then nothing is believed, and nothing is sent. */
async function fetchAuthority(server: string, pin: string): Promise<string> {
  const { hostname, port } = new URL(server);
  const chain = await new Promise<X509Certificate[]>((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: Number(port || 443),
      rejectUnauthorized: false,
      timeout: connectTimeoutMs,
    });
    const fail = (why: string) => {
      socket.destroy();
      reject(new NoAnswer(`${server}: ${why}`, { advice: 'check the address, and that the server runs' }));
    };
    socket.once('error', (error) => fail(error.message));
    socket.once('timeout', () => fail('no answer'));
    socket.once('secureConnect', () => {
      resolve(certificatesOf(socket.getPeerCertificate(true)));
      socket.destroy();
    });
  });
  const { authorityPin } = await import('../../base/x509/pki.ts');
  const authority = chain.find(
    (certificate) => certificate.ca && authorityPin(certificate.toString()) === pin,
  );
  if (!authority || !chain[0]!.verify(authority.publicKey))
    throw new Failure(`${server} is not of the cluster that the token is for`, {
      advice: 'take the token from the server itself; if it is right, somebody stands in between',
    });
  return authority.toString();
}

function certificatesOf(leaf: DetailedPeerCertificate): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let each: DetailedPeerCertificate | undefined = leaf; each?.raw; each = each.issuerCertificate) {
    found.push(new X509Certificate(each.raw));
    if (each.issuerCertificate === each) break;
  }
  return found;
}
