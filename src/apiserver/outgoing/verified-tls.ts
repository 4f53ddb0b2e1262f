/**
 * TLS connections to servers of the cluster, verified as Go verifies them. OpenSSL takes a certificate whose subject is
 * its issuer's name for self-signed and looks no further; webhooks that make their own authority often give both one name.
 */
import { X509Certificate } from 'node:crypto';
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
    const socket = connect({ ...options, rejectUnauthorized: false });
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

function problemOf(socket: TLSSocket, { servername, ca = '' }: VerifiedOptions): Error | undefined {
  const leaf = socket.getPeerX509Certificate();
  const nameProblem = () =>
    leaf && certificateNameProblem(servername, leaf.toLegacyObject() as PeerCertificate);
  if (socket.authorized) return nameProblem();
  // A code, whatever its type says.
  const code = String(socket.authorizationError);
  if (!leaf) return verificationError(code);
  const now = Date.now();
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT' && isIssuedByNamesake(leaf, authoritiesOf(ca), now))
    return isWithin(leaf, now) ? nameProblem() : verificationError('CERT_HAS_EXPIRED');
  if (/^(ecdsa-with-)?sha1/i.test(leaf.signatureAlgorithm ?? '') && leaf.subject !== leaf.issuer)
    return verificationError(sha1Code, 'x509: cannot verify signature: insecure algorithm SHA1');
  return (code === 'ERR_TLS_CERT_ALTNAME_INVALID' && nameProblem()) || verificationError(code);
}

/** Code of the error that a certificate without alternative names gives, were its common name the right one. */
export const legacyNameCode = 'ERR_TLS_CERT_LEGACY_NAME';
/** Code of the error that a signature with SHA-1 gives, which nobody can rely on. */
export const sha1Code = 'ERR_TLS_CERT_SHA1';

/** What keeps a certificate from being that of `host`, as Go has it: the common name counts for nothing. */
export function certificateNameProblem(host: string, certificate: PeerCertificate): Error | undefined {
  const problem = checkServerIdentity(host, certificate);
  if (problem || certificate.subjectaltname) return problem;
  const why = 'x509: certificate relies on legacy Common Name field, use SANs instead';
  return verificationError(legacyNameCode, why);
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
