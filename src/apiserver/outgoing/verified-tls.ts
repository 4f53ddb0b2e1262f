/**
 * TLS connections to servers of the cluster, verified as Go verifies them. OpenSSL takes a certificate whose subject is
 * its issuer's name for self-signed and looks no further; webhooks that make their own authority often give both one name.
 */
import { X509Certificate } from 'node:crypto';
import { Agent, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';

const serverAuth = '1.3.6.1.5.5.7.3.1';
const anyUsage = '2.5.29.37.0';

export interface VerifiedOptions extends ConnectionOptions {
  servername: string;
  /** PEM; the system's own authorities when absent. */
  ca?: string | Buffer | undefined;
}

/** Settles once the server has shown who it is. @throws the error of the connection, or of its verification with Node's code */
export function connectVerified(options: VerifiedOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Names are looked at below: the first thing that is wrong would hide the others.
    const anyName = () => undefined;
    const socket = connect({ ...options, rejectUnauthorized: false, checkServerIdentity: anyName });
    const abort = () => void socket.destroy(signal.reason as Error);
    socket.once('error', reject);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('secureConnect', () => {
      const problem = options.rejectUnauthorized === false ? undefined : problemOf(socket, options);
      signal.removeEventListener('abort', abort);
      if (problem) return socket.destroy(problem);
      socket.off('error', reject);
      return resolve(socket);
    });
  });
}

/** Keeps connections that {@link connectVerified} has made, for requests by URL. */
export class VerifiedAgent extends Agent {
  override createConnection(
    options: RequestOptions,
    made?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const signal = AbortSignal.timeout(connectTimeoutMs);
    connectVerified(options as unknown as VerifiedOptions, signal).then(
      (socket) => made?.(null, socket),
      (error: Error) => made?.(error, undefined as never),
    );
    return undefined;
  }
}

/** What asks gives up before; the connection may still serve the next one. */
const connectTimeoutMs = 30_000;

function problemOf(socket: TLSSocket, { servername, host, ca = '' }: VerifiedOptions): Error | undefined {
  const leaf = socket.getPeerX509Certificate();
  const nameProblem = () =>
    leaf && certificateNameProblem(servername || host || '', leaf.toLegacyObject() as PeerCertificate);
  if (socket.authorized) return nameProblem();
  // A code, whatever its type says.
  const code = String(socket.authorizationError);
  if (!leaf) return verificationError(code);
  const now = Date.now();
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT' && isIssuedByNamesake(leaf, authoritiesOf(ca), now))
    return isWithin(leaf, now) ? nameProblem() : verificationError('CERT_HAS_EXPIRED');
  if (/^(ecdsa-with-)?sha1/i.test(leaf.signatureAlgorithm ?? '') && leaf.subject !== leaf.issuer)
    return verificationError(sha1Code, 'x509: cannot verify signature: insecure algorithm SHA1');
  return verificationError(code);
}

/** Code of the error that a certificate without alternative names gives, were its common name the right one. */
export const legacyNameCode = 'ERR_TLS_CERT_LEGACY_NAME';
/** Code of the error that a signature with SHA-1 gives, which nobody can rely on. */
export const sha1Code = 'ERR_TLS_CERT_SHA1';

/** What keeps a certificate from being that of `host`, as Go has it: the common name counts for nothing. */
function certificateNameProblem(host: string, certificate: PeerCertificate): Error | undefined {
  const isOfName = !checkServerIdentity(host, certificate);
  const { subjectaltname: names } = certificate;
  const own = namesLike(host, names ?? '');
  if (isOfName && own.length > 0) return undefined;
  if (isOfName && !names)
    return verificationError(
      legacyNameCode,
      'x509: certificate relies on legacy Common Name field, use SANs instead',
    );
  const why = `x509: ${wrongName(host, own)}`;
  return verificationError('ERR_TLS_CERT_ALTNAME_INVALID', why);
}

/** Those that are addresses as well, or names as well. `names`: as Node lists them, `DNS:a, IP Address:127.0.0.1`. */
function namesLike(host: string, names: string): string[] {
  const kind = isIP(host) ? 'IP Address:' : 'DNS:';
  return names
    .split(', ')
    .filter((name) => name.startsWith(kind))
    .map((name) => name.slice(kind.length));
}

/** In Go's words. */
function wrongName(host: string, own: readonly string[]): string {
  if (own.length > 0) return `certificate is valid for ${own.join(', ')}, not ${host}`;
  return isIP(host)
    ? `cannot validate certificate for ${host} because it doesn't contain any IP SANs`
    : `certificate is not valid for any names, but wanted to match ${host}`;
}

function verificationError(code: string, why = code): Error {
  return Object.assign(new Error(`tls: failed to verify certificate: ${why}`), { code });
}

/** Whether one of the authorities, of the certificate's own name, signed it for a server. */
function isIssuedByNamesake(
  leaf: X509Certificate,
  authorities: readonly X509Certificate[],
  nowMs: number,
): boolean {
  const usages = leaf.keyUsage as string[] | undefined;
  if (usages && !usages.includes(serverAuth) && !usages.includes(anyUsage)) return false;
  return authorities.some(
    (authority) =>
      authority.ca &&
      isWithin(authority, nowMs) &&
      leaf.checkIssued(authority) &&
      leaf.verify(authority.publicKey),
  );
}

function isWithin({ validFromDate, validToDate }: X509Certificate, nowMs: number): boolean {
  return validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime();
}

const pemPattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function authoritiesOf(pem: string | Buffer): X509Certificate[] {
  return [...pem.toString().matchAll(pemPattern)].map(([block]) => new X509Certificate(block));
}
