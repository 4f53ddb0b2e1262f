/** Certificates as OpenSSL reads them, and no more lenient than Go. */
import { X509Certificate } from 'node:crypto';

/** Undefined when `der` is no certificate, or more than one. */
export function readCertificate(der: Uint8Array): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(der);
    // OpenSSL overlooks what follows a certificate, and would also look for text in it.
    return certificate.raw.equals(der) ? certificate : undefined;
  } catch {
    // OpenSSL's message is not upstream's: only the outcome counts.
    return undefined;
  }
}
